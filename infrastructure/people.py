"""People: who may log in, the logins that are open, and where requests come from.

The only part of Daybook that handles personal data. Everything else names people by id.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID, uuid4

import psycopg
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from infrastructure.credentials import (
    LONGEST_PASSWORD,
    CredentialsMustBeRight,
    EmailMustBeWellFormed,
    EmailMustNotBeTaken,
    PeopleMustBeKnown,
    checked_email,
    checked_name,
    checked_password,
)
from infrastructure.gathering import Gathering
from infrastructure.known import Known
from infrastructure.passwords import Passwords

Role = Literal["customer", "compliance", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

LOGIN_KNOWN_S = 5.0
"""How long a login is believed without asking PostgreSQL; another process's log-out takes that long here."""

_USER = "user_id, account_id, email, full_name, role, created_at"


class User(Struct, frozen=True, kw_only=True):
    """Somebody who may log in. `account_id` is None for staff."""

    user_id: UUID
    account_id: UUID | None
    email: str
    full_name: str
    role: str
    created_at: datetime


class Login(Struct, frozen=True, kw_only=True):
    """Who is asking."""

    user_id: UUID
    account_id: UUID | None
    role: str
    expires_at: datetime


class People:
    """Users, logins and origins, in the database behind an open pool. Raises PeopleMustBeKnown without it."""

    def __init__(
        self, pool: "AsyncConnectionPool[psycopg.AsyncConnection[Any]]", login_hours: int = 24
    ) -> None:
        self._pool = pool
        self._valid_for = timedelta(hours=login_hours)
        self._passwords = Passwords()
        self._logins: Known[bytes, Login] = Known(limit=100_000, seconds=LOGIN_KNOWN_S)
        self._origins: Known[tuple[UUID, str, str], UUID] = Known(limit=100_000, seconds=3600)
        self._opened: Gathering[bytes, Login] = Gathering(self._logins_of)

    async def register(self, email: str, password: str, full_name: str, role: Role = "customer") -> User:
        """Add a user; a customer gets the id of an account, which is still to be opened.

        Raises EmailMustNotBeTaken and the refusals about each part's form.
        """
        user = User(
            user_id=uuid4(),
            account_id=uuid4() if role == "customer" else None,
            email=checked_email(email),
            full_name=checked_name(full_name),
            role=role,
            created_at=datetime.now(UTC),
        )
        password_hash = await self._passwords.hash(checked_password(password))
        async with self._connection() as connection:
            # Not an error of PostgreSQL, which would write the address into its log.
            stored = await connection.execute(
                f"INSERT INTO users ({_USER}, password_hash) VALUES (%s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (*_values(user), password_hash),
            )
        if stored.rowcount == 0:
            raise EmailMustNotBeTaken("another user has this e-mail address")
        return user

    async def log_in(self, email: str, password: str) -> tuple[str, datetime, User]:
        """Open a login: its token, the end of its life, and the user. Raises CredentialsMustBeRight."""
        user, password_hash = await self._find(email)
        # A longer one is nobody's: it is only cut so that refusing it takes no longer than any other.
        of_user = password_hash if len(password) <= LONGEST_PASSWORD else None
        right = await self._passwords.verify(of_user, password[:LONGEST_PASSWORD])
        if user is None or not right:
            raise CredentialsMustBeRight("no user has this e-mail address and password")
        token, now = secrets.token_urlsafe(32), datetime.now(UTC)
        expires_at = now + self._valid_for
        async with self._connection() as connection:
            await connection.execute(
                "INSERT INTO sessions (token_hash, user_id, created_at, expires_at) VALUES (%s, %s, %s, %s)",
                (_hashed(token), user.user_id, now, expires_at),
            )
        return token, expires_at, user

    def known(self, token: str) -> Login | None:
        """The login of a token that was seen within the last seconds, at no cost."""
        login = self._logins.get(_hashed(token))
        return login if login is not None and login.expires_at > datetime.now(UTC) else None

    async def authenticate(self, token: str) -> Login | None:
        """The login of a token, or None when there is none, it has expired or it was logged out."""
        login = self.known(token)
        if login is not None:
            return login
        token_hash, state = _hashed(token), self._logins.removals
        login = await self._opened.ask(token_hash)
        if login is None:
            return None
        if state == self._logins.removals:  # else it may have been logged out while we asked
            self._logins.put(token_hash, login)
        return login

    async def log_out(self, token: str) -> None:
        """End a login, at once in this process. One that is not there is no error."""
        token_hash = _hashed(token)
        async with self._connection() as connection:
            await connection.execute("DELETE FROM sessions WHERE token_hash = %s", (token_hash,))
        self._logins.remove(token_hash)

    async def users(self) -> list[User]:
        """Everybody, oldest first."""
        async with self._connection() as connection:
            found = await connection.execute(f"SELECT {_USER} FROM users ORDER BY created_at, user_id")
            return [_user(row) for row in await found.fetchall()]

    async def purge_expired_sessions(self) -> int:
        """Delete logins whose time is over; returns how many."""
        async with self._connection() as connection:
            deleted = await connection.execute(
                "DELETE FROM sessions WHERE expires_at <= %s", (datetime.now(UTC),)
            )
            return deleted.rowcount

    async def origin(self, user_id: UUID, address: str, agent: str) -> UUID:
        """The id of where a user's request came from, so that events can carry it instead of the address."""
        key = (user_id, address, agent)
        origin_id = self._origins.get(key)
        if origin_id is None:
            origin_id = await self._store_origin(*key)
            self._origins.put(key, origin_id)
        return origin_id

    def close(self) -> None:
        """Let the threads go. The pool belongs to whoever opened it."""
        self._passwords.close()

    async def _logins_of(self, token_hashes: Sequence[bytes]) -> dict[bytes, Login]:
        """The open logins among many tokens."""
        async with self._connection() as connection:
            found = await connection.execute(
                "SELECT s.token_hash, u.user_id, u.account_id, u.role, s.expires_at FROM sessions s"
                " JOIN users u USING (user_id) WHERE s.token_hash = ANY(%s) AND s.expires_at > %s",
                (list(token_hashes), datetime.now(UTC)),
                prepare=True,
            )
            rows = await found.fetchall()
        return {
            bytes(token_hash): Login(user_id=user_id, account_id=account_id, role=role, expires_at=expires_at)
            for token_hash, user_id, account_id, role, expires_at in rows
        }

    async def _find(self, email: str) -> tuple[User | None, str | None]:
        try:
            address = checked_email(email)
        except EmailMustBeWellFormed:
            return None, None
        async with self._connection() as connection:
            found = await connection.execute(
                f"SELECT {_USER}, password_hash FROM users WHERE lower(email) = lower(%s)", (address,)
            )
            row = await found.fetchone()
        return (None, None) if row is None else (_user(row), row[-1])

    async def _store_origin(self, user_id: UUID, address: str, agent: str) -> UUID:
        async with self._connection() as connection:
            # The update changes nothing: it makes RETURNING answer the row that is there already.
            stored = await connection.execute(
                "INSERT INTO origins (origin_id, user_id, address, agent, first_seen)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (user_id, address, agent)"
                " DO UPDATE SET address = excluded.address RETURNING origin_id",
                (uuid4(), user_id, address, agent, datetime.now(UTC)),
            )
            row = await stored.fetchone()
        assert row is not None, "an upsert returns its row"  # noqa: S101
        origin_id: UUID = row[0]
        return origin_id

    @asynccontextmanager
    async def _connection(self) -> "AsyncIterator[psycopg.AsyncConnection[Any]]":
        try:
            async with self._pool.connection(timeout=5) as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise PeopleMustBeKnown("the database of users does not answer; try again") from error


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _values(user: User) -> tuple[Any, ...]:
    return (user.user_id, user.account_id, user.email, user.full_name, user.role, user.created_at)


def _user(row: Any) -> User:
    user_id, account_id, email, full_name, role, created_at = row[:6]
    return User(
        user_id=user_id,
        account_id=account_id,
        email=email,
        full_name=full_name,
        role=role,
        created_at=created_at,
    )
