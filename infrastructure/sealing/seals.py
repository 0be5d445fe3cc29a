"""A seal: the root of the hash tree over the log up to a position, chained to the seal before, and signed.

Its text is one line of JSON whose fields stand in the order of `Seal`. The text's bytes are what is signed and what the next
seal names by their SHA-256. A published line holds the text, the signature, and the leaf hashes of the events that
are new in it, so that whoever has the lines can name the very event that differs:

    {"seal":{…},"signature":"<base64>","leaves":"<base64>"}
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from application.expected import TellTheOperator
from infrastructure.sealing.keys import PublicKey, SigningKey, key_of_hex
from infrastructure.sealing.merkle import WIDTH, Frontier

FORMAT = 1
NOTHING_BEFORE = "0" * 64

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class SealIsWrong(TellTheOperator):
    """A seal is not what was signed, or does not follow the one before it. `number` is the seal's, or the next one's."""

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(f"seal {number}: {sentence}")
        self.number = number
        self.sentence = sentence


class SealBucketMustAnswer(Exception):
    """The bucket of seals cannot be reached now, or refuses."""


class Seal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is signed. `count` events are in the tree, the last at `last_position`; the time is the wall's.

    `key` is the public key, in hex, that it is signed by, and `next_key` the one that signs from the next seal on.
    """

    number: int
    previous: Hash
    count: int
    last_position: int
    root: Hash
    sealed_at: datetime
    key: Hash
    format: int
    next_key: Hash | None = None


class Sealed(Struct, frozen=True, kw_only=True):
    """A seal with its text, signature, and the leaf hashes of the events that are new in it."""

    seal: Seal
    text: bytes
    signature: bytes
    leaves: bytes

    @property
    def digest(self) -> str:
        """What the next seal calls `previous`."""
        return sha256(self.text).hexdigest()

    @property
    def first(self) -> int:
        """How many events the seals before have."""
        return self.seal.count - len(self.leaves) // WIDTH

    def line(self) -> bytes:
        """As it is published, with the end of the line."""
        signature, leaves = base64.b64encode(self.signature), base64.b64encode(self.leaves)
        return b'{"seal":%s,"signature":"%s","leaves":"%s"}\n' % (self.text, signature, leaves)


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    seal: Raw
    signature: str
    leaves: str


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_seal = msgspec.json.Decoder(Seal).decode


def write_seal(
    key: SigningKey, previous: Sealed | None, tree: Frontier, leaves: bytes, *, last_position: int, at: datetime,
    next_key: PublicKey | None = None,
) -> Sealed:  # fmt: skip
    """The seal after `previous` over a tree that has taken in these new leaves."""
    seal = Seal(
        number=1 if previous is None else previous.seal.number + 1,
        previous=NOTHING_BEFORE if previous is None else previous.digest,
        count=tree.size,
        last_position=last_position,
        root=tree.root().hex(),
        sealed_at=at,
        key=key.public.hex,
        format=FORMAT,
        next_key=None if next_key is None else next_key.hex,
    )
    text = msgspec.json.encode(seal)
    return Sealed(seal=seal, text=text, signature=key.sign(text), leaves=leaves)


def read_line(line: bytes, *, number: int) -> Sealed:
    """A published line. `number` is the one it should have, for the sentence. Raises SealIsWrong."""
    if not line.endswith(b"\n"):
        raise SealIsWrong(number, "the line has no end: it was cut off")
    try:
        found = _decode_line(line)
        signature, leaves = (base64.b64decode(one, validate=True) for one in (found.signature, found.leaves))
        return sealed_of(bytes(found.seal), signature, leaves)
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as error:
        raise SealIsWrong(number, f"the line cannot be read: {error}") from error


def sealed_of(text: bytes, signature: bytes, leaves: bytes) -> Sealed:
    """A seal from its parts as they are stored. Raises msgspec.MsgspecError."""
    return Sealed(seal=_decode_seal(text), text=text, signature=signature, leaves=leaves)


class Chain:
    """Seals one after another: each is checked against those before it and its own signature."""

    def __init__(self, trusted: Iterable[PublicKey]) -> None:
        self._trusted = {key.hex: key for key in trusted}
        self._key: PublicKey | None = None  # whose turn it is; the first seal says, among the trusted
        self.tree = Frontier()
        self.last: Sealed | None = None

    def take(self, sealed: Sealed) -> None:
        """The next seal. Raises SealIsWrong, and stays as it was."""
        seal = sealed.seal
        number = 1 if self.last is None else self.last.seal.number + 1
        if seal.number != number:
            raise SealIsWrong(number, f"is missing, seal {seal.number} stands in its place")
        if seal.previous != (NOTHING_BEFORE if self.last is None else self.last.digest):
            raise SealIsWrong(number, "does not name the seal before it, as that stands now")
        if seal.format != FORMAT:
            raise SealIsWrong(number, f"is of format {seal.format}, this Daybook reads format {FORMAT}")
        key = self._signer(seal)
        if not key.signed(sealed.text, sealed.signature):
            raise SealIsWrong(number, "is not what was signed")
        self._grow(sealed)
        self.last = sealed
        self._key = key if seal.next_key is None else key_of_hex(seal.next_key)

    def _signer(self, seal: Seal) -> PublicKey:
        key = self._key or self._trusted.get(seal.key)
        if key is None:
            raise SealIsWrong(seal.number, f"is signed by key {seal.key[:16]}, which is not a trusted one")
        if key.hex != seal.key:
            raise SealIsWrong(
                seal.number, f"is signed by key {seal.key[:16]}; it was the turn of {key.hex[:16]}"
            )
        return key

    def _grow(self, sealed: Sealed) -> None:
        seal, tree = sealed.seal, self.tree.copy()
        before = 0 if self.last is None else self.last.seal.last_position
        if (
            len(sealed.leaves) % WIDTH
            or sealed.first != tree.size
            or (sealed.leaves and seal.last_position <= before)
        ):
            raise SealIsWrong(seal.number, "its leaves are not as many as its events")
        tree.extend(sealed.leaves)
        if tree.root().hex() != seal.root:
            raise SealIsWrong(seal.number, "its root is not that of its leaves")
        self.tree = tree


def chained(seals: Iterable[Sealed], trusted: Iterable[PublicKey]) -> Iterator[Sealed]:
    """The same seals, each checked as it passes. Raises SealIsWrong at the first that is wrong."""
    chain = Chain(trusted)
    for sealed in seals:
        chain.take(sealed)
        yield sealed
