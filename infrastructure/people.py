"""People: who may log in, the logins that are open, and where requests come from.

Everything else names people by id. What is personal is encrypted under the person's own key (`infrastructure/privacy`),
and reads `erased` once that key is gone.
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
    normalised,
)
from infrastructure.gathering import Gathering
from infrastructure.known import Known
from infrastructure.origins import Origin, Origins, Seen
from infrastructure.passwords import Passwords
from infrastructure.postgres import arrays
from infrastructure.privacy.keyring import INSERT_KEY, KeyRing
from infrastructure.privacy.master import MasterKeys
from infrastructure.privacy.personal import ERASED, Identity, PersonalKey, place_of_user

Role = Literal["customer", "compliance", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

LOGIN_KNOWN_S = 5.0
"""How long a login is believed without asking PostgreSQL; another process's log-out takes that long here."""

_READ_USERS = (
    "SELECT u.user_id, u.account_id, u.role, u.created_at, u.erased_at, u.personal,"
    " k.kind, k.wrapped, k.master_key_id FROM users u LEFT JOIN personal_keys k ON k.owner_id = u.user_id"
)
USER_COLUMNS = "user_id, account_id, role, created_at, email_index, personal"
_STORE_USER = f"INSERT INTO users ({USER_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
# With the key, because whoever has just come is likely to need an origin.
_READ_LOGINS = (
    "SELECT s.token_hash, u.user_id, u.account_id, u.role, s.expires_at, k.kind, k.wrapped, k.master_key_id"
    " FROM sessions s JOIN users u USING (user_id) LEFT JOIN personal_keys k ON k.owner_id = u.user_id"
    " WHERE s.token_hash = ANY(%s) AND s.expires_at > %s AND u.erased_at IS NULL"
)
# Locked, so that nobody gets a login who is being erased.
_OPEN_LOGIN = (
    "INSERT INTO sessions (token_hash, user_id, created_at, expires_at)"
    " SELECT %s::bytea, user_id, %s::timestamptz, %s::timestamptz FROM users"
    " WHERE user_id = %s AND erased_at IS NULL FOR SHARE"
)


class User(Struct, frozen=True, kw_only=True):
    """Somebody who may log in. `account_id` is None for staff. Name and address of an erased one are `erased`."""

    user_id: UUID
    account_id: UUID | None
    email: str
    full_name: str
    role: str
    created_at: datetime
    erased_at: datetime | None = None


class Login(Struct, frozen=True, kw_only=True):
    """Who is asking."""

    user_id: UUID
    account_id: UUID | None
    role: str
    expires_at: datetime


class People:
    """Users, logins and origins, in the database behind an open pool. Raises PeopleMustBeKnown without it."""

    def __init__(
        self,
        pool: "AsyncConnectionPool[psycopg.AsyncConnection[Any]]",
        masters: MasterKeys,
        *,
        login_hours: int = 24,
        visitor_days: int = 30,
    ) -> None:
        self._pool = pool
        self._valid_for = timedelta(hours=login_hours)
        self._passwords = Passwords()
        self._ring = KeyRing(masters)
        self._origins = Origins(self._ring, visitor_days=visitor_days)
        self._origins_seen = self._origins.seen  # asked by every command
        self._logins: Known[bytes, Login] = Known(limit=100_000, seconds=LOGIN_KNOWN_S)
        self._opened: Gathering[bytes, Login] = Gathering(self._logins_of)
        self._stored: Gathering[Seen, UUID] = Gathering(self._origins_of)

    async def require_right_master(self) -> None:
        """Raise MasterKeyMustBeRight unless what is stored can be read with the master keys given."""
        async with self._connection() as connection:
            await self._ring.require_right_master(connection)

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
        if not await self._store(user, password_hash):
            raise EmailMustNotBeTaken("another user has this e-mail address")
        return user

    async def log_in(self, email: str, password: str) -> tuple[str, datetime, User]:
        """Open a login: its token, the end of its life, and the user. Raises CredentialsMustBeRight."""
        user = await self.prove(email, password)
        token, now = secrets.token_urlsafe(32), datetime.now(UTC)
        expires_at = now + self._valid_for
        async with self._connection() as connection:
            opened = await connection.execute(_OPEN_LOGIN, (_hashed(token), now, expires_at, user.user_id))
        if opened.rowcount == 0:
            raise CredentialsMustBeRight("no user has this e-mail address and password")
        return token, expires_at, user

    async def prove(self, email: str, password: str) -> User:
        """The user with this address and password, without a login. Raises CredentialsMustBeRight."""
        user, password_hash = await self._find(email)
        # A longer one is nobody's: it is only cut so that refusing it takes no longer than any other.
        of_user = password_hash if len(password) <= LONGEST_PASSWORD else None
        right = await self._passwords.verify(of_user, password[:LONGEST_PASSWORD])
        if user is None or not right:
            tried = None if user is None else (user.user_id, user.account_id)
            raise CredentialsMustBeRight("no user has this e-mail address and password", tried=tried)
        return user

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
            found = await connection.execute(f"{_READ_USERS} ORDER BY u.created_at, u.user_id")
            return [self._user(row)[0] for row in await found.fetchall()]

    async def with_address(self, email: str) -> User | None:
        """Who has this e-mail address."""
        return (await self._find(email))[0]

    async def user(self, user_id: UUID) -> User | None:
        """One of them, also when erased."""
        async with self._connection() as connection:
            row = await (
                await connection.execute(f"{_READ_USERS} WHERE u.user_id = %s", (user_id,))
            ).fetchone()
        return None if row is None else self._user(row)[0]

    async def purge_expired_sessions(self) -> int:
        """Delete logins whose time is over; returns how many."""
        async with self._connection() as connection:
            deleted = await connection.execute(
                "DELETE FROM sessions WHERE expires_at <= %s", (datetime.now(UTC),)
            )
            return deleted.rowcount

    async def origin(self, user_id: UUID | None, address: str, agent: str) -> UUID:
        """The id of where a request came from, so that events can carry it; without a user, a visitor's."""
        seen = (user_id, address, agent)
        known = self._origins_seen.get(seen)
        if known is not None:
            return known
        stored = None if user_id is None else await self._stored.ask(seen)
        if stored is not None:
            return stored
        async with self._connection() as connection:
            return await self._origins.store(connection, seen)

    async def origins(self, origin_ids: Sequence[UUID]) -> dict[UUID, Origin]:
        """Where requests came from, by id; what is not there is left out."""
        async with self._connection() as connection:
            return await self._origins.read(connection, origin_ids)

    async def forget_erased(self) -> None:
        """Remember nothing of whoever was erased in the last minutes, by whichever process."""
        async with self._connection() as connection:
            found = await connection.execute(
                "SELECT user_id FROM users WHERE erased_at > now() - interval '2 minutes'"
            )
            for (user_id,) in await found.fetchall():
                self.forget(user_id)

    def forget(self, user_id: UUID) -> None:
        """Remember nothing of a user: key, logins and origins."""
        self._ring.forget(user_id)
        self._origins.forget(user_id)
        self._logins.remove_all(lambda _, login: login.user_id == user_id)

    def close(self) -> None:
        """Let the threads go. The pool belongs to whoever opened it."""
        self._passwords.close()

    async def _logins_of(self, token_hashes: Sequence[bytes]) -> dict[bytes, Login]:
        """The open logins among many tokens."""
        async with self._connection() as connection:
            found = await connection.execute(
                _READ_LOGINS, (arrays.byteas(token_hashes), datetime.now(UTC)), prepare=True, binary=True
            )
            rows = await found.fetchall()
        self._ring.learn((row[1], row[5:]) for row in rows if row[5] is not None)
        return {
            token_hash: Login(user_id=user_id, account_id=account_id, role=role, expires_at=expires_at)
            for token_hash, user_id, account_id, role, expires_at, *_ in rows
        }

    async def _origins_of(self, seen: Sequence[Seen]) -> dict[Seen, UUID]:
        async with self._connection() as connection:
            return await self._origins.store_many(connection, seen)

    async def _store(self, user: User, password_hash: str) -> bool:
        """Keep a new user with a key of their own; False when the address is taken."""
        new = self._ring.make(user.user_id)
        async with self._connection() as connection:
            row = user_row(user, password_hash, key=new.key, index=await self._ring.index(connection))
            async with connection.transaction():
                stored = await connection.execute(_STORE_USER, row)
                if stored.rowcount:
                    await connection.execute(INSERT_KEY, new.row)
        return stored.rowcount > 0

    async def _find(self, email: str) -> tuple[User | None, str | None]:
        try:
            address = normalised(checked_email(email))
        except EmailMustBeWellFormed:
            return None, None
        async with self._connection() as connection:
            index = (await self._ring.index(connection)).blind(address)
            found = await connection.execute(f"{_READ_USERS} WHERE u.email_index = %s", (index,))
            row = await found.fetchone()
        return (None, None) if row is None else self._user(row)

    def _user(self, row: Any) -> tuple[User, str | None]:
        """A user of a row of _READ_USERS, and the hash of the password."""
        user_id, account_id, role, created_at, erased_at, personal, *stored = row
        identity = None
        if personal is not None and stored[0] is not None:
            key = self._ring.opened(user_id, (stored[0], stored[1], stored[2]))
            identity = key.decrypt(bytes(personal), Identity, place=place_of_user(user_id))
        user = User(
            user_id=user_id,
            account_id=account_id,
            email=ERASED if identity is None else identity.email,
            full_name=ERASED if identity is None else identity.full_name,
            role=role,
            created_at=created_at,
            erased_at=erased_at,
        )
        return user, None if identity is None else identity.password_hash

    @asynccontextmanager
    async def _connection(self) -> "AsyncIterator[psycopg.AsyncConnection[Any]]":
        try:
            async with self._pool.connection(timeout=5) as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise PeopleMustBeKnown("the database of users does not answer; try again") from error


def user_row(user: User, password_hash: str, *, key: PersonalKey, index: PersonalKey) -> tuple[Any, ...]:
    """A new user as USER_COLUMNS: encrypted under the user's own key, to be found by the key of addresses."""
    identity = Identity(email=user.email, full_name=user.full_name, password_hash=password_hash)
    personal = key.encrypt(identity, place=place_of_user(user.user_id))
    found_by = index.blind(normalised(user.email))
    return user.user_id, user.account_id, user.role, user.created_at, found_by, personal


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
