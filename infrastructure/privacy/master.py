"""The master key: it wraps the key of every person, and is never in the database.

It comes from a file or the environment: 32 bytes in base64. There may be several, the current one first: whatever
the others have wrapped can still be read while `daybook keys rotate` wraps it anew.
"""

import base64
import binascii
import os
import re
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from application.expected import TellTheOperator
from infrastructure.settings import Settings

log = structlog.get_logger()

KEY_BYTES = 32
NONCE_BYTES = 12


class MasterKeyMustBeGiven(TellTheOperator):
    """Personal data are encrypted, and nobody said under which master key."""


class MasterKeyMustBeWellFormed(TellTheOperator):
    """What was given is not 32 bytes in base64, or cannot be read."""


class MasterKeyMustBeRight(TellTheOperator):
    """The database's keys are wrapped by another master key than those that were given."""


class UnwrappingFailed(Exception):
    """What is stored as a wrapped key was not wrapped by this master key for this owner."""


class MasterKey:
    """One master key. `id` tells it from others and gives nothing of it away."""

    def __init__(self, secret: bytes) -> None:
        self.id = derived(secret, b"daybook master key id", 8).hex()
        self._cipher = AESGCM(derived(secret, b"daybook wrapping key", KEY_BYTES))

    def wrap(self, secret: bytes, *, owner: bytes) -> bytes:
        """A key, encrypted; it can be unwrapped for this owner only."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, owner)

    def unwrap(self, wrapped: bytes, *, owner: bytes) -> bytes:
        """The key. Raises UnwrappingFailed."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], owner)
        except (InvalidTag, ValueError):
            raise UnwrappingFailed(f"master key {self.id} did not wrap this key of this owner") from None


class MasterKeys:
    """The current master key and, while they are being replaced, those before it.

    A file is read again when it has changed, so that keys can be rotated while everything runs.
    """

    def __init__(self, *, text: str | None = None, file: Path | None = None) -> None:
        self._text = text
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, MasterKey] = {}
        self._read()

    @classmethod
    def of(cls, settings: Settings) -> "MasterKeys":
        """Those of the settings. Raises MasterKeyMustBeGiven or MasterKeyMustBeWellFormed."""
        if settings.master_key is None and settings.master_key_file is None:
            raise MasterKeyMustBeGiven(
                "personal data are encrypted: set DAYBOOK_MASTER_KEY_FILE (or DAYBOOK_MASTER_KEY);"
                " `daybook keys create FILE` makes one"
            )
        return cls(text=settings.master_key, file=settings.master_key_file)

    @property
    def file(self) -> Path | None:
        """Where they come from; None when from the environment."""
        return self._file

    def current(self) -> MasterKey:
        """The one to wrap with."""
        self._read_again()
        return next(iter(self._keys.values()))

    def named(self, master_key_id: str) -> MasterKey | None:
        """The one with this id, or None when it was not given."""
        if master_key_id not in self._keys:
            self._read_again()
        return self._keys.get(master_key_id)

    def ids(self) -> list[str]:
        """The ids of all, the current one first."""
        return list(self._keys)

    def _read_again(self) -> None:
        if self._file is None or _stamp(self._file) == self._seen:
            return
        try:
            self._read()
        except MasterKeyMustBeWellFormed as error:  # what was read before still serves
            log.error("the master key file has become unusable", error=str(error))  # noqa: TRY400

    def _read(self) -> None:
        if self._file is not None:
            self._seen = _stamp(self._file)
        found = [MasterKey(secret) for secret in _secrets(self._text, self._file)]
        self._keys = {key.id: key for key in found}


def derived(secret: bytes, purpose: bytes, length: int) -> bytes:
    """Bytes for one purpose, from which neither the secret nor those for another purpose follow (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)


def new_secret() -> str:
    """A master key as text."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def write_master_keys(file: Path, secrets: list[str]) -> None:
    """Replace the file at once, readable by its owner only; who owned it keeps it."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as text:
        text.write("".join(f"{secret}\n" for secret in secrets))
        text.flush()
        os.fsync(text.fileno())
    if file.exists():
        owner = file.stat()
        os.chown(unfinished, owner.st_uid, owner.st_gid)
    unfinished.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a key that wraps something must not be lost with the power
    finally:
        os.close(folder)


def secrets_in(file: Path) -> list[str]:
    """The master keys of a file as text, the current one first. Raises MasterKeyMustBeWellFormed."""
    try:
        text = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise MasterKeyMustBeWellFormed(f"the master key file {file} cannot be read: {reason}") from error
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def _secrets(text: str | None, file: Path | None) -> list[bytes]:
    where = "DAYBOOK_MASTER_KEY" if file is None else f"the master key file {file}"
    found = secrets_in(file) if file is not None else re.split(r"[,\s]+", (text or "").strip())
    if not any(found):
        raise MasterKeyMustBeWellFormed(f"there is no key in {where}")
    return [_secret(word, number, where) for number, word in enumerate(found, 1)]


def _secret(word: str, number: int, where: str) -> bytes:
    # The text itself is not repeated: it may be most of a key.
    wrong = MasterKeyMustBeWellFormed(f"key {number} in {where} is not {KEY_BYTES} bytes in base64")
    try:
        secret = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if len(secret) != KEY_BYTES:
        raise wrong
    return secret


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
