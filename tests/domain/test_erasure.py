"""What is left of an erased person: a certificate."""

from datetime import timedelta
from uuid import UUID

from domain.erasure import Erasure
from tests.domain.examples import ACCOUNT, NOW, OWNER

ANN, BEN = UUID(int=1), UUID(int=2)


def certify(erasure: Erasure) -> None:
    erasure.certify(
        user_id=OWNER,
        erased={"identity": 1, "origins": 2, "logins": 0},
        key_fingerprint="ab",
        requested=(ANN, NOW),
        approved=(BEN, NOW + timedelta(hours=1)),
        erased_at=NOW + timedelta(hours=2),
        at=NOW + timedelta(hours=2),
    )


def test_a_certificate_says_what_was_erased_and_which_two_wanted_it() -> None:
    erasure = Erasure(id=UUID(int=3), account_id=ACCOUNT)

    certify(erasure)

    (certificate,) = erasure.pending
    assert isinstance(certificate, Erasure.Certified)
    assert (certificate.account_id, certificate.user_id) == (ACCOUNT, OWNER)
    assert (certificate.requested_by, certificate.approved_by) == (ANN, BEN)
    assert certificate.erased == {"identity": 1, "origins": 2, "logins": 0}


def test_an_erasure_is_certified_once() -> None:
    erasure = Erasure(id=UUID(int=3), account_id=ACCOUNT)

    certify(erasure)
    certify(erasure)

    assert len(erasure.pending) == 1
