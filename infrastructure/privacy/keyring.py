"""Everybody's keys: made, unwrapped for use, remembered for a while, and forgotten."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

import psycopg
import structlog
from msgspec import Struct

from infrastructure.known import Known
from infrastructure.postgres import arrays
from infrastructure.privacy.master import MasterKey, MasterKeyMustBeRight, MasterKeys, UnwrappingFailed
from infrastructure.privacy.personal import PersonalDataMustBeReadable, PersonalKey, new_secret

log = structlog.get_logger()

INDEX_OWNER = UUID("6461796b-6f6f-4b00-8000-000000000001")
"""The owner of the one key that e-mail addresses are looked up by."""

_VISITORS = UUID("6461796b-6f6f-4b00-8000-000000000002")

KEY_COLUMNS = "owner_id, kind, wrapped, master_key_id, fingerprint, expires_at"
INSERT_KEY = (
    f"INSERT INTO personal_keys ({KEY_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (owner_id) DO NOTHING"
)
READ_KEY = "SELECT kind, wrapped, master_key_id FROM personal_keys WHERE owner_id = %s"
# One look into the index for each, also while the planner has the table for a small one.
_READ_KEYS = (
    "SELECT k.* FROM unnest(%s) AS want(owner_id), LATERAL (SELECT owner_id, kind, wrapped, master_key_id"
    " FROM personal_keys k WHERE k.owner_id = want.owner_id LIMIT 1) AS k"
)

KNOWN_S = 300.0
KEYS_KNOWN = 20_000

AsyncConnection = psycopg.AsyncConnection[Any]


class NewKey(Struct, frozen=True):
    """A key that was just made, and its row."""

    key: PersonalKey
    row: tuple[Any, ...]


def make_key(
    master: MasterKey, owner_id: UUID, *, kind: str = "user", expires_at: datetime | None = None
) -> NewKey:
    """A new key of somebody, wrapped by the master key."""
    secret = new_secret()
    key = PersonalKey(secret)
    wrapped = master.wrap(secret, owner=binding(owner_id, kind))
    return NewKey(key, (owner_id, kind, wrapped, master.id, key.fingerprint, expires_at))


def unwrap(masters: MasterKeys, owner_id: UUID, kind: str, wrapped: bytes, master_key_id: str) -> bytes:
    """The secret of a stored key. Raises PersonalDataMustBeReadable, and says in our log what is missing."""
    master = masters.named(master_key_id)
    if master is None:
        log.critical("a master key is missing", wanted=master_key_id, given=masters.ids())
        raise PersonalDataMustBeReadable("the master key of some personal data is not known here")
    try:
        return master.unwrap(bytes(wrapped), owner=binding(owner_id, kind))
    except UnwrappingFailed as error:
        log.critical("a stored key was tampered with", owner_id=str(owner_id))
        raise PersonalDataMustBeReadable("a stored key was changed or moved") from error


def binding(owner_id: UUID, kind: str) -> bytes:
    """What a wrapped key is bound to, so that it is of no use in another's row."""
    return f"personal_keys/{kind}/".encode() + owner_id.bytes


class KeyRing:
    """The keys of this process. Whoever calls gives the connection; keys once read are remembered for minutes."""

    def __init__(self, masters: MasterKeys) -> None:
        self.masters = masters
        self._known: Known[UUID, PersonalKey] = Known(limit=KEYS_KNOWN, seconds=KNOWN_S)

    def make(self, owner_id: UUID) -> NewKey:
        """A new key for a user, to be stored by the caller."""
        return make_key(self.masters.current(), owner_id)

    def opened(self, owner_id: UUID, stored: tuple[str, bytes, str]) -> PersonalKey:
        """The key of a row that the caller has read: kind, wrapped and master_key_id."""
        known = self._known.get(owner_id)
        if known is not None:
            return known
        kind, wrapped, master_key_id = stored
        key = PersonalKey(unwrap(self.masters, owner_id, kind, wrapped, master_key_id))
        self._known.put(owner_id, key)
        return key

    async def of(self, connection: AsyncConnection, owner_id: UUID) -> PersonalKey | None:
        """Somebody's key; None when it was erased, or never was."""
        known = self._known.get(owner_id)
        if known is not None:
            return known
        found = await connection.execute(READ_KEY, (owner_id,), prepare=True)
        row = await found.fetchone()
        return None if row is None else self.opened(owner_id, row)

    def learn(self, rows: Iterable[tuple[UUID, tuple[str, bytes, str]]]) -> dict[UUID, PersonalKey]:
        """The same of many; whose key cannot be read is left out."""
        found = {}
        for owner_id, stored in rows:
            with suppress(PersonalDataMustBeReadable):
                found[owner_id] = self.opened(owner_id, stored)
        return found

    async def of_many(
        self, connection: AsyncConnection, owner_ids: Iterable[UUID]
    ) -> dict[UUID, PersonalKey]:
        """The keys of many in one statement. Who has none is left out, and so is whose key cannot be read: `of` says why."""
        found = {owner_id: self._known.get(owner_id) for owner_id in owner_ids}
        missing = [owner_id for owner_id, key in found.items() if key is None]
        if missing:
            rows = await connection.execute(_READ_KEYS, (arrays.uuids(missing),), prepare=True, binary=True)
            found |= self.learn((row[0], row[1:]) for row in await rows.fetchall())
        return {owner_id: key for owner_id, key in found.items() if key is not None}

    async def index(self, connection: AsyncConnection) -> PersonalKey:
        """The key that e-mail addresses are looked up by; made when it is first needed."""
        return await self._of_or_new(connection, INDEX_OWNER, kind="index")

    async def of_visitors(self, connection: AsyncConnection, *, days: int) -> tuple[UUID, PersonalKey]:
        """Owner and key for today's visitors who are no users; it expires after `days` days."""
        owner_id, ends = visitors_of(datetime.now(UTC).date(), days=days)
        return owner_id, await self._of_or_new(connection, owner_id, kind="visitors", expires_at=ends)

    def forget(self, owner_id: UUID) -> None:
        """Remember a key no longer."""
        self._known.remove(owner_id)

    async def require_right_master(self, connection: AsyncConnection) -> None:
        """Raise MasterKeyMustBeRight unless the database's keys can be unwrapped here."""
        found = await connection.execute(READ_KEY, (INDEX_OWNER,))
        row = await found.fetchone()
        if row is not None:
            require_right(self.masters, row)

    async def _of_or_new(
        self, connection: AsyncConnection, owner_id: UUID, *, kind: str, expires_at: datetime | None = None
    ) -> PersonalKey:
        key = await self.of(connection, owner_id)
        if key is None:
            new = make_key(self.masters.current(), owner_id, kind=kind, expires_at=expires_at)
            await connection.execute(INSERT_KEY, new.row)
            key = await self.of(connection, owner_id)  # another process may have been first
        assert key is not None, "it was just stored"  # noqa: S101
        return key


def require_right(masters: MasterKeys, row: tuple[str, bytes, str]) -> None:
    """Raise MasterKeyMustBeRight unless the index's stored key can be unwrapped."""
    kind, wrapped, master_key_id = row
    master = masters.named(master_key_id)
    try:
        if master is None:
            raise UnwrappingFailed(master_key_id)
        master.unwrap(bytes(wrapped), owner=binding(INDEX_OWNER, kind))
    except UnwrappingFailed:
        raise MasterKeyMustBeRight(
            f"the keys of this database are wrapped by master key {master_key_id},"
            f" and {' and '.join(masters.ids())} was given: personal data could not be read"
        ) from None


def visitors_of(day: date, *, days: int) -> tuple[UUID, datetime]:
    """Who owns the key of a day's visitors, and when it expires."""
    ends = datetime.combine(day, time(tzinfo=UTC)) + timedelta(days=days + 1)
    return uuid5(_VISITORS, day.isoformat()), ends
