"""Passwords: hashed and checked by Argon2id in two threads of their own, never on the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from application.errors import Unavailable

T = TypeVar("T")

AT_ONCE = 2
WAITING_AT_MOST = 64
"""Each check takes a good part of a tenth of a second and 64 MiB, by design: more would only queue up."""

HASHER = PasswordHasher()
"""Argon2id at the cost that RFC 9106 recommends where memory is scarce."""


class PasswordChecksMustHaveRoom(Unavailable):
    """More logins are waiting than can be checked soon."""


class Passwords:
    """Hashes and checks passwords. Raises PasswordChecksMustHaveRoom when too many are waiting."""

    def __init__(self) -> None:
        self._hasher = HASHER
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """The password's hash, salted, in Argon2's own text form."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed.

        Without a hash, because nobody has the address, it takes as long to say no.
        """
        return await self._in_thread(lambda: self._verify(password_hash, password))

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        try:
            matches = self._hasher.verify(password_hash or self._hash_of_nobody(), password)
        except (VerificationError, InvalidHashError):
            return False
        return matches and password_hash is not None

    def _hash_of_nobody(self) -> str:
        if self._nobodys is None:
            self._nobodys = self._hasher.hash("the password of nobody")
        return self._nobodys

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_AT_MOST:
            raise PasswordChecksMustHaveRoom(f"{self._waiting} logins are being checked")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
