"""Where requests come from: address and agent, encrypted, so that events can carry an id instead of them.

Every command passes here. What was seen before costs one look into memory; what is new costs an encryption and a row.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from msgspec import Struct

from infrastructure.known import Known
from infrastructure.postgres import arrays
from infrastructure.privacy.keyring import KeyRing
from infrastructure.privacy.personal import (
    ERASED,
    PersonalKey,
    Whereabouts,
    place_of_origin,
    together,
)

KNOWN, KNOWN_S = 100_000, 3600.0

# The key is locked, so that nothing is stored under one that is being erased. The update changes nothing: it makes
# RETURNING answer the row that is there already.
_STORE = (
    "INSERT INTO origins (origin_id, user_id, owner_id, personal, same, first_seen)"
    " SELECT %s::uuid, %s::uuid, owner_id, %s::bytea, %s::bytea, %s::timestamptz FROM personal_keys"
    " WHERE owner_id = %s FOR SHARE"
    " ON CONFLICT (owner_id, same) DO UPDATE SET same = excluded.same RETURNING origin_id"
)
# Many users' at once. What is there already is only read: nothing is written, and no disk is waited for. A key that
# somebody holds, to erase its person or to wrap it anew, is passed over, so that one person's erasure keeps nobody
# else waiting. The rest is stored in one order, so that two processes that store the same never wait in a circle.
# Each look into a table is one into its index, also while the planner has the table for a small one.
# It waits for the disk like any other commit. Events that name the row come later in the same write-ahead log, so the row
# need not be waited for on their account; but we remember its id (`seen`, a request that the committer tries again),
# and would go on naming it after PostgreSQL had crashed without it. Shared by many, the wait costs next to nothing.
_STORE_MANY = (
    "WITH want AS MATERIALIZED (SELECT *, (SELECT o.origin_id FROM origins o WHERE o.owner_id = w.user_id"
    " AND o.same = w.same) AS there FROM unnest(%s, %s, %s, %s) AS w(origin_id, user_id, personal, same)),"
    " stored AS (INSERT INTO origins (origin_id, user_id, owner_id, personal, same, first_seen)"
    " SELECT w.origin_id, w.user_id, k.owner_id, w.personal, w.same, %s FROM"
    " (SELECT * FROM want WHERE there IS NULL ORDER BY same) AS w, LATERAL (SELECT owner_id FROM personal_keys"
    " WHERE owner_id = w.user_id LIMIT 1 FOR SHARE SKIP LOCKED) AS k"
    " ON CONFLICT (owner_id, same) DO UPDATE SET same = excluded.same RETURNING same, origin_id)"
    " SELECT same, there FROM want WHERE there IS NOT NULL UNION ALL SELECT same, origin_id FROM stored"
)
_READ = (
    "SELECT o.origin_id, o.user_id, o.owner_id, o.personal, o.first_seen, k.kind, k.wrapped, k.master_key_id"
    " FROM origins o LEFT JOIN personal_keys k USING (owner_id) WHERE o.origin_id = ANY(%s)"
)

AsyncConnection = psycopg.AsyncConnection[Any]
Seen = tuple[UUID | None, str, str]
"""User, address and agent."""

Row = tuple[UUID, UUID, bytes, bytes]
"""origin_id, user_id, personal and same."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a request came from; address and agent are `erased` once its person is. No user: a visitor."""

    origin_id: UUID
    user_id: UUID | None
    address: str
    agent: str
    first_seen: datetime


class Origins:
    """The table of origins. The connection is the caller's. `seen` remembers users' at no cost."""

    def __init__(self, ring: KeyRing, *, visitor_days: int) -> None:
        self._ring = ring
        self._visitor_days = visitor_days
        self.seen: Known[Seen, UUID] = Known(limit=KNOWN, seconds=KNOWN_S)

    async def store(self, connection: AsyncConnection, seen: Seen) -> UUID:
        """The id of an address and agent; of somebody without a login under the key of the day's visitors."""
        user_id, address, agent = seen
        owner_id, key = await self._key(connection, user_id)
        where, origin_id = Whereabouts(address=address, agent=agent), uuid4()
        if key is None:
            return origin_id  # the person was erased a moment ago: an id that leads nowhere
        personal = key.encrypt(where, place=place_of_origin(origin_id))
        row = (origin_id, user_id, personal, key.blind(together(where)), datetime.now(UTC), owner_id)
        found = await (await connection.execute(_STORE, row, prepare=True)).fetchone()
        if found is None:
            self._ring.forget(owner_id)
            return origin_id
        stored: UUID = found[0]
        if user_id is not None:  # a visitor's is a new one tomorrow
            self.seen.put(seen, stored)
        return stored

    async def store_many(self, connection: AsyncConnection, seen: Sequence[Seen]) -> dict[Seen, UUID]:
        """The ids of many users' at once. Left out is whoever `store` has to see to alone: a visitor, somebody whose
        key is gone, is being erased or wrapped anew, or cannot be read.
        """
        keys = await self._ring.of_many(connection, {one[0] for one in seen if one[0] is not None})
        rows = {one: row for one in seen if (row := _row(one, keys)) is not None}
        if not rows:
            return {}
        by_same = {row[3]: row for row in rows.values()}  # a statement may not store the same twice
        columns = _columns(by_same.values())
        found = await connection.execute(_STORE_MANY, columns, prepare=True, binary=True)
        ids: dict[bytes, UUID] = dict(await found.fetchall())
        stored = {one: ids[row[3]] for one, row in rows.items() if row[3] in ids}
        for one, origin_id in stored.items():
            self.seen.put(one, origin_id)
        return stored

    async def read(self, connection: AsyncConnection, origin_ids: Sequence[UUID]) -> dict[UUID, Origin]:
        """The origins with these ids. Raises PersonalDataMustBeReadable."""
        found = await connection.execute(_READ, (list(origin_ids),))
        return {row[0]: self._origin(row) for row in await found.fetchall()}

    def read_now(self, connection: psycopg.Connection[Any], origin_ids: Sequence[UUID]) -> dict[UUID, Origin]:
        """The same in the calling thread."""
        found = connection.execute(_READ, (list(origin_ids),))
        return {row[0]: self._origin(row) for row in found.fetchall()}

    def forget(self, user_id: UUID) -> None:
        """Remember nothing of a user."""
        self.seen.remove_all(lambda seen, _: seen[0] == user_id)

    async def _key(
        self, connection: AsyncConnection, user_id: UUID | None
    ) -> tuple[UUID, PersonalKey | None]:
        if user_id is None:
            return await self._ring.of_visitors(connection, days=self._visitor_days)
        return user_id, await self._ring.of(connection, user_id)

    def _origin(self, row: Any) -> Origin:
        origin_id, user_id, owner_id, personal, first_seen, *stored = row
        where = Whereabouts(address=ERASED, agent=ERASED)
        if personal is not None and stored[0] is not None:
            key = self._ring.opened(owner_id, (stored[0], stored[1], stored[2]))
            where = key.decrypt(bytes(personal), Whereabouts, place=place_of_origin(origin_id))
        return Origin(
            origin_id=origin_id,
            user_id=user_id,
            address=where.address,
            agent=where.agent,
            first_seen=first_seen,
        )


def _row(seen: Seen, keys: dict[UUID, PersonalKey]) -> Row | None:
    """A user's new row; None for a visitor, without a key, and when it cannot be encrypted, which `store` will tell."""
    user_id, address, agent = seen
    key = None if user_id is None else keys.get(user_id)
    if user_id is None or key is None:
        return None
    where, origin_id = Whereabouts(address=address, agent=agent), uuid4()
    try:
        personal = key.encrypt(where, place=place_of_origin(origin_id))
        return origin_id, user_id, personal, key.blind(together(where))
    except UnicodeEncodeError:
        return None


def _columns(rows: Iterable[Row]) -> tuple[arrays.Column | datetime, ...]:
    """The parameters of _STORE_MANY."""
    origin_ids, user_ids, personal, same = zip(*rows, strict=True)
    ids = arrays.uuids(origin_ids), arrays.uuids(user_ids)
    return *ids, arrays.byteas(personal), arrays.byteas(same), datetime.now(UTC)
