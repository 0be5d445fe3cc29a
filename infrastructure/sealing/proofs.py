"""Proofs that need nothing but themselves and a public key: that an event is in the log, that one seal continues another.

A proof is a JSON file. It is checked by `check`, without a database, a network or a setting.
"""

import base64
import binascii
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from application.expected import TellTheOperator
from infrastructure.sealing.canonical import LogEntry, NotCanonical, event_of
from infrastructure.sealing.keys import PublicKey, SealKeyCannotBeUsed, key_of_hex
from infrastructure.sealing.merkle import leaf_hash, proves_consistency, proves_inclusion
from infrastructure.sealing.seals import FORMAT, Hash, Seal

LARGEST_PROOF = 1 << 20


class ProofCannotBeRead(TellTheOperator):
    """The file is not a proof."""


class ProofIsWrong(Exception):
    """The proof does not prove what it says; the sentence says where it breaks."""


class SignedSeal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A seal's text, byte for byte as it was signed, and the signature. The text names the key."""

    seal: str
    signature: str


class InclusionProof(Struct, frozen=True, kw_only=True, tag="inclusion", tag_field="proof", forbid_unknown_fields=True):  # fmt: skip
    """That the event whose canonical bytes are in `event` is number `index` (from 0) of the log that was sealed."""

    format: int = FORMAT
    log_position: int
    index: int
    event: str
    path: list[Hash]
    sealed: SignedSeal


class ConsistencyProof(Struct, frozen=True, kw_only=True, tag="consistency", tag_field="proof", forbid_unknown_fields=True):  # fmt: skip
    """That the newer seal's log begins with everything that the older one's has, unchanged."""

    format: int = FORMAT
    path: list[Hash]
    older: SignedSeal
    newer: SignedSeal


Proof = InclusionProof | ConsistencyProof


class Checked(Struct, frozen=True, kw_only=True):
    """What a proof proves. `keys` signed its seals; `keys_are_trusted` says whether they are among those given."""

    proof: Literal["inclusion", "consistency"]
    sentence: str
    keys: list[str]
    keys_are_trusted: bool
    seals: list[Raw]
    event: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Proof).decode
_decode_seal = msgspec.json.Decoder(Seal).decode


def encode_proof(proof: Proof) -> bytes:
    """The file."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n"


def check(text: bytes, trusted: list[PublicKey] | None = None) -> Checked:
    """Check a proof. With `trusted` keys its seals must be signed by one of them.

    Raises ProofCannotBeRead for what is no proof, ProofIsWrong for one that does not hold.
    """
    try:
        proof = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProofCannotBeRead(f"this is not a proof: {error}") from error
    if proof.format != FORMAT:
        raise ProofCannotBeRead(f"the proof is of format {proof.format}, this Daybook reads format {FORMAT}")
    if isinstance(proof, InclusionProof):
        return _check_inclusion(proof, trusted)
    return _check_consistency(proof, trusted)


def _check_inclusion(proof: InclusionProof, trusted: list[PublicKey] | None) -> Checked:
    seal, key = _check_seal(proof.sealed, trusted)
    try:
        canonical = base64.b64decode(proof.event, validate=True)
        event = event_of(canonical)
    except (binascii.Error, NotCanonical) as error:
        raise ProofIsWrong(f"the event cannot be read: {error}") from error
    if event.log_position != proof.log_position:
        raise ProofIsWrong(f"the event is that of log position {event.log_position}")
    path, root = [bytes.fromhex(step) for step in proof.path], bytes.fromhex(seal.root)
    if not proves_inclusion(leaf_hash(canonical), proof.index, seal.count, path, root):
        raise ProofIsWrong(f"the event is not number {proof.index + 1:,} of what seal {seal.number} has")
    return Checked(
        proof="inclusion",
        sentence=f"the event at log position {event.log_position} is number {proof.index + 1:,} of the"
        f" {seal.count:,} events of seal {seal.number}, sealed at {seal.sealed_at.isoformat()}",
        keys=[key.hex],
        keys_are_trusted=trusted is not None,
        seals=[Raw(proof.sealed.seal.encode())],
        event=readable(event),
    )


def _check_consistency(proof: ConsistencyProof, trusted: list[PublicKey] | None) -> Checked:
    (older, one), (newer, other) = _check_seal(proof.older, trusted), _check_seal(proof.newer, trusted)
    holds = older.number <= newer.number and proves_consistency(
        older.count,
        newer.count,
        [bytes.fromhex(step) for step in proof.path],
        old_root=bytes.fromhex(older.root),
        new_root=bytes.fromhex(newer.root),
    )
    if not holds:
        raise ProofIsWrong(f"seal {newer.number} does not continue seal {older.number}")
    return Checked(
        proof="consistency",
        sentence=f"the {newer.count:,} events of seal {newer.number} begin with the"
        f" {older.count:,} of seal {older.number}, unchanged",
        keys=list(dict.fromkeys([one.hex, other.hex])),
        keys_are_trusted=trusted is not None,
        seals=[Raw(proof.older.seal.encode()), Raw(proof.newer.seal.encode())],
    )


def _check_seal(signed: SignedSeal, trusted: list[PublicKey] | None) -> tuple[Seal, PublicKey]:
    text = signed.seal.encode()
    try:
        seal = _decode_seal(text)
        key = key_of_hex(seal.key)
        signature = base64.b64decode(signed.signature, validate=True)
    except (msgspec.MsgspecError, binascii.Error, SealKeyCannotBeUsed) as error:
        raise ProofIsWrong(f"the seal cannot be read: {error}") from error
    if not key.signed(text, signature):
        raise ProofIsWrong(f"seal {seal.number} is not what was signed")
    if trusted is not None and key.hex not in {one.hex for one in trusted}:
        raise ProofIsWrong(f"seal {seal.number} is signed by key {key.hex[:16]}, which is not a trusted one")
    return seal, key


def readable(event: LogEntry) -> dict[str, Any]:
    """An event for reading, its JSON as JSON."""
    found = msgspec.structs.asdict(event)
    return {**found, "state": _json(event.state), "metadata": _json(bytes(event.metadata))}


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return text.decode("latin-1")
