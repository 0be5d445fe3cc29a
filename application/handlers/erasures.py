"""The command about a person who was erased."""

from application import commands as c
from application.answers import ErasureAnswer
from application.ledger import Ledger


def certify(command: c.CertifyErasure, ledger: Ledger) -> ErasureAnswer:
    """Write the certificate; asking again changes nothing."""
    erasure = ledger.erasure(command.erasure_id, account_id=command.account_id)
    erasure.certify(
        user_id=command.user_id,
        erased=command.erased,
        key_fingerprint=command.key_fingerprint,
        requested=command.requested,
        approved=command.approved,
        erased_at=command.erased_at,
        at=ledger.now,
    )
    return ErasureAnswer(erasure_id=erasure.id, certified_at=erasure.certified_at)
