"""Look-ups of many readers in one statement.

While one statement is on its way, those who ask the same question of other keys gather; then one statement
serves all of them. A reader who is alone waits for nobody. So under load a look-up costs a share of a round
trip instead of a whole one, as group commit does for writers.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from infrastructure.postgres.connections import AsyncPool, lend
from infrastructure.projecting.tables import row_from
from projections.catalogue import BY_NAME
from projections.projection import Key
from projections.questions import Lookup, Lookups

K = TypeVar("K")
V = TypeVar("V")

MOST_KEYS = 500
"""In one statement; the rest waits for the next."""


class Gathering(Generic[K, V]):
    """Answers one question for whoever asks. `read` looks many keys up; what is missing there is None."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[dict[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._work: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V | None:
        """The value of a key, read after this call began."""
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)  # each has its own: who gives up takes nobody along
        if self._work is None:
            self._work = asyncio.create_task(self._serve())
        return await future

    async def _serve(self) -> None:
        """Answer until nobody waits."""
        try:
            while self._waiting:
                asked = dict(list(self._waiting.items())[:MOST_KEYS])
                for key in asked:
                    del self._waiting[key]
                await self._answer(asked)
        finally:
            self._work = None

    async def _answer(self, asked: dict[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._read(list(asked))
        except Exception as error:  # noqa: BLE001  whoever asked is told, whatever it is
            for future in _still_there(asked.values()):
                future.set_exception(error)
            return
        for key, futures in asked.items():
            value = found.get(key)
            for future in _still_there([futures]):
                future.set_result(value)


def _still_there(asked: Iterable[list[asyncio.Future[V]]]) -> Iterator[asyncio.Future[V]]:
    """Those whose asker has not gone."""
    return (future for futures in asked for future in futures if not future.done())


class Gatherer:
    """Answers one look-up in a read table."""

    def __init__(self, pool: AsyncPool, lookup: Lookup[Any]) -> None:
        self._pool = pool
        self._lookup = lookup
        self._projection = BY_NAME[lookup.projection]
        types = {column.name: column.sql_type for column in self._projection.table.columns}
        self._sql = lookup.sql(tuple(types), tuple(types[name] for name in lookup.by)).encode()
        self._decode = msgspec.json.Decoder(list[lookup.row]).decode  # type: ignore[name-defined]  # a value
        self._gathering: Gathering[Key, list[Any]] = Gathering(self._rows)

    async def ask(self, key: Key) -> list[Any]:
        """The rows of a key, read after this call began."""
        return await self._gathering.ask(key) or []

    async def _rows(self, keys: Sequence[Key]) -> dict[Key, list[Any]]:
        columns = [list(values) for values in zip(*keys, strict=True)]
        async with lend(self._pool) as connection:
            cursor = await connection.execute(self._sql, columns, prepare=True)
            rows = await cursor.fetchall()
        if self._lookup.in_one:
            return {keys[number - 1]: self._decode(of_key) for number, of_key in rows}
        found: dict[Key, list[Any]] = defaultdict(list)
        for values in rows:
            row = row_from(self._projection, values)
            found[tuple(getattr(row, name) for name in self._lookup.by)].append(row)
        return found


class GathererOfSeveral:
    """Answers several look-ups of a key at once: the rows of each."""

    def __init__(self, pool: AsyncPool, lookups: Lookups) -> None:
        self._pool = pool
        self._none: list[list[Any]] = [[] for _ in lookups.each]
        types = {column.name: column.sql_type for column in BY_NAME[lookups.each[0].projection].table.columns}
        self._sql = lookups.sql(tuple(types[name] for name in lookups.by)).encode()
        self._decoders = [msgspec.json.Decoder(list[lookup.row]).decode for lookup in lookups.each]  # type: ignore[name-defined]  # a value
        self._gathering: Gathering[Key, list[list[Any]]] = Gathering(self._rows)

    async def ask(self, key: Key) -> list[list[Any]]:
        """The rows of a key, by look-up, read after this call began."""
        return await self._gathering.ask(key) or self._none

    async def _rows(self, keys: Sequence[Key]) -> dict[Key, list[list[Any]]]:
        columns = [list(values) for values in zip(*keys, strict=True)]
        async with lend(self._pool) as connection:
            cursor = await connection.execute(self._sql, columns, prepare=True)
            rows = await cursor.fetchall()
        return {keys[number - 1]: self._decoded(texts) for number, *texts in rows}

    def _decoded(self, texts: Sequence[bytes | None]) -> list[list[Any]]:
        return [
            [] if text is None else decode(text) for decode, text in zip(self._decoders, texts, strict=True)
        ]
