"""A person's key, and what is encrypted under it.

Every ciphertext is bound to the row it stands in (as AES-GCM's associated data), so that one that is moved to another
row cannot be read there. Equal texts are found again by a keyed hash, which says nothing without the key.
"""

import hmac
import os
from typing import TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from application.errors import Unavailable
from infrastructure.privacy.master import KEY_BYTES, NONCE_BYTES, derived

FORMAT = b"\x01"
"""The first byte of every ciphertext: AES-256-GCM, a nonce of 12 bytes, then the encrypted text and its tag."""

ERASED = "erased"
"""What stands in the place of personal data whose key is gone."""

T = TypeVar("T")


class PersonalDataMustBeReadable(Unavailable):
    """Encrypted personal data cannot be read: the master key is missing here, or the row was tampered with."""


class Identity(Struct, frozen=True, kw_only=True):
    """Who a user is. Encrypted as a whole in `users.personal`."""

    email: str
    full_name: str
    password_hash: str


class Whereabouts(Struct, frozen=True, kw_only=True):
    """Where a request came from. Encrypted as a whole in `origins.personal`."""

    address: str
    agent: str


_encode = msgspec.json.Encoder().encode


class PersonalKey:
    """The key of one person, ready for use. `fingerprint` names it and gives nothing of it away."""

    __slots__ = ("_cipher", "_hashing", "fingerprint")

    def __init__(self, secret: bytes) -> None:
        both = derived(secret, b"daybook personal data", KEY_BYTES + 32 + 16)
        self._cipher = AESGCM(both[:KEY_BYTES])
        self._hashing = both[KEY_BYTES : KEY_BYTES + 32]
        self.fingerprint = both[KEY_BYTES + 32 :]

    def encrypt(self, data: Struct, *, place: bytes) -> bytes:
        """The data, to be read at this place only."""
        nonce = os.urandom(NONCE_BYTES)
        return FORMAT + nonce + self._cipher.encrypt(nonce, _encode(data), place)

    def decrypt(self, encrypted: bytes, kind: type[T], *, place: bytes) -> T:
        """The data again. Raises PersonalDataMustBeReadable when they were changed, or moved from another place."""
        after = len(FORMAT) + NONCE_BYTES
        try:
            if encrypted[: len(FORMAT)] != FORMAT:
                raise InvalidTag
            text = self._cipher.decrypt(encrypted[len(FORMAT) : after], encrypted[after:], place)
            return msgspec.json.decode(text, type=kind)
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            raise PersonalDataMustBeReadable(
                f"personal data under key {self.fingerprint.hex()} were changed or moved"
            ) from None

    def blind(self, text: str) -> bytes:
        """What the same text always comes to under this key: enough to find it, of no use without the key."""
        return hmac.digest(self._hashing, text.encode(), "sha256")


def new_secret() -> bytes:
    """The secret of a new key."""
    return os.urandom(KEY_BYTES)


def place_of_user(user_id: UUID) -> bytes:
    """Where an Identity stands."""
    return b"users.personal/" + user_id.bytes


def place_of_origin(origin_id: UUID) -> bytes:
    """Where Whereabouts stand."""
    return b"origins.personal/" + origin_id.bytes


def together(where: Whereabouts) -> str:
    """Address and agent as one text to be compared; an address has no line break."""
    return f"{where.address}\n{where.agent}"
