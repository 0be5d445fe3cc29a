"""Where requests come from: address and agent, encrypted, so that events can carry an id instead of them.

Every command passes here. What was seen before costs one look into memory; what is new costs an encryption and a row.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from msgspec import Struct

from infrastructure.known import Known
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
_READ = (
    "SELECT o.origin_id, o.user_id, o.owner_id, o.personal, o.first_seen, k.kind, k.wrapped, k.master_key_id"
    " FROM origins o LEFT JOIN personal_keys k USING (owner_id) WHERE o.origin_id = ANY(%s)"
)

AsyncConnection = psycopg.AsyncConnection[Any]
Seen = tuple[UUID | None, str, str]


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
