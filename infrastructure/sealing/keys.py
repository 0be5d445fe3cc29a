"""The keys that sign seals: Ed25519, the private one in a file that only its owner may read.

Public keys stand in a file beside the seals, one PEM after another, the first one first. A key is named by
itself: its 32 bytes in hex.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from application.expected import TellTheOperator

_END = b"-----END PUBLIC KEY-----\n"


class SealKeyCannotBeUsed(TellTheOperator):
    """A key file is missing, is not an Ed25519 key, or others may read it."""


class PublicKey:
    """Checks signatures."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.hex = key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    @property
    def pem(self) -> bytes:
        """As it is published."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def signed(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the text."""
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """Signs seals."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def sign(self, text: bytes) -> bytes:
        """64 bytes; the same for the same text."""
        return self._key.sign(text)


def key_of_hex(text: str) -> PublicKey:
    """The public key that a seal names, 64 digits. Raises SealKeyCannotBeUsed."""
    try:
        return PublicKey(Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)))
    except ValueError as error:
        raise SealKeyCannotBeUsed(f"{text[:16]}… is no Ed25519 public key") from error


def create_key(file: Path) -> SigningKey:
    """A new private key in a new file, readable by its owner alone. Raises SealKeyCannotBeUsed when it is there."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SealKeyCannotBeUsed(f"the key file {file} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as out:
        out.write(pem)
        out.flush()
        os.fsync(out.fileno())
    return SigningKey(key)


def read_key(file: Path) -> SigningKey:
    """The private key in a file. Raises SealKeyCannotBeUsed, also when others may read it."""
    try:
        mode, pem = file.stat().st_mode, file.read_bytes()
    except OSError as error:
        raise SealKeyCannotBeUsed(f"the key file {file} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise SealKeyCannotBeUsed(f"others may read the key file {file}: chmod 600 {file}")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SealKeyCannotBeUsed(
            f"{file} holds no private key: `daybook seals new-key` makes such a file"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SealKeyCannotBeUsed(f"the key in {file} is not an Ed25519 key")
    return SigningKey(key)


def read_public_keys(file: Path) -> list[PublicKey]:
    """All public keys of a file. Raises SealKeyCannotBeUsed."""
    try:
        found = file.read_bytes()
    except OSError as error:
        raise SealKeyCannotBeUsed(f"the public keys {file} cannot be read: {error.strerror}") from error
    keys = [_public_key(part + _END, file) for part in found.split(_END) if part.strip()]
    if not keys:
        raise SealKeyCannotBeUsed(f"{file} holds no public key")
    return keys


def publish_key(file: Path, key: PublicKey) -> None:
    """Add a public key to the file, unless it is there."""
    if file.exists() and key.pem in file.read_bytes():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(descriptor, "wb") as out:
        out.write(key.pem)
        out.flush()
        os.fsync(out.fileno())


def _public_key(pem: bytes, file: Path) -> PublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SealKeyCannotBeUsed(
            f"{file} holds something that is no public key: give the `seals.pub` that the sealer writes, or a copy"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SealKeyCannotBeUsed(f"a key in {file} is not an Ed25519 key")
    return PublicKey(key)
