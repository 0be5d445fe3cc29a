"""The sealer's private key, and the one that follows it.

An operator puts the next key beside the present one (`daybook seals new-key`). The sealer signs a seal that names it, publishes its
public key, and takes it into use by renaming the file.
"""

from pathlib import Path

import structlog

from infrastructure.sealing.keys import (
    PublicKey,
    SealKeyCannotBeUsed,
    SigningKey,
    create_key,
    publish_key,
    read_key,
)
from infrastructure.sealing.seals import Sealed

log = structlog.get_logger()


class Keyring:
    """`file` is the private key, `public_keys` where the public ones are published. A key that is missing is made
    when `may_create`, as long as nothing is sealed.
    """

    def __init__(self, file: Path, *, public_keys: Path, may_create: bool) -> None:
        self._file = file
        self._public_keys = public_keys
        self._may_create = may_create
        self._key: SigningKey | None = None

    @property
    def key(self) -> SigningKey:
        """The key that signs now."""
        assert self._key is not None, "a keyring is opened first"  # noqa: S101
        return self._key

    def open(self, last: Sealed | None) -> None:
        """Find the key whose turn it is after this seal. Raises SealKeyCannotBeUsed."""
        if self._may_create and last is None and not self._file.exists():
            create_key(self._file)
            log.info("made the key that signs seals", file=str(self._file))
        key = read_key(self._file)
        wanted = _turn_after(last)
        if wanted is not None and key.public.hex != wanted:
            key = self._renamed(wanted)
        self._key = key
        publish_key(self._public_keys, key.public)

    def successor(self) -> PublicKey | None:
        """The key that waits for its turn, if any. Raises SealKeyCannotBeUsed."""
        following = next_key_file(self._file)
        return read_key(following).public if following.exists() else None

    def succeed(self) -> None:
        """Take the successor into use."""
        self._key = read_key(next_key_file(self._file))
        publish_key(self._public_keys, self._key.public)
        next_key_file(self._file).replace(self._file)
        log.info("seals are signed by a new key", key=self._key.public.hex)

    def _renamed(self, wanted: str) -> SigningKey:
        """The successor, when the crash came between its seal and its renaming."""
        following = next_key_file(self._file)
        if not following.exists() or read_key(following).public.hex != wanted:
            raise SealKeyCannotBeUsed(
                f"it is the turn of seal key {wanted[:16]}, which is not the one in {self._file}: put it there"
            )
        self.succeed()
        return self.key


def next_key_file(file: Path) -> Path:
    """Where the key that follows waits."""
    return file.with_name(f"{file.name}.next")


def _turn_after(last: Sealed | None) -> str | None:
    if last is None:
        return None
    return last.seal.next_key or last.seal.key
