"""Whether everything Daybook rests on answers, and how far behind the read tables are."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool
from redis.exceptions import RedisError

from domain.quotes import Session
from infrastructure.books.watching import SEEN
from infrastructure.redis import connect_async
from infrastructure.redis.quotes import PROGRESS, QuoteBoard
from infrastructure.sealing.store import STANDING, standing_of


class Dependency(Struct, frozen=True, kw_only=True):
    """One thing Daybook rests on: whether it answers, and in how many milliseconds."""

    name: str
    ok: bool
    latency_ms: float | None = None
    detail: str | None = None


class ProjectionHealth(Struct, frozen=True, kw_only=True):
    """One projection: how many events it is behind the end of the log, how many accounts it has put aside."""

    name: str
    position: int
    lag: int
    failure: str | None
    parked: int


class BooksHealth(Struct, frozen=True, kw_only=True):
    """`books` is ok, or violated or failing at a log position; up to `position` every rule holds.

    `violation` and `failure` say why. See `daybook check books`.
    """

    books: str
    position: int
    violation: str | None
    failure: str | None
    checked_at: datetime


class SealingHealth(Struct, frozen=True, kw_only=True):
    """How far the log is sealed: `lag` events are not yet, seals after `published` not in the file, after `bucket`
    not in the bucket (None without one). `failure` says why sealing does not go on.
    """

    position: int
    lag: int
    seal: int
    sealed_at: datetime | None
    published: int
    bucket: int | None
    failure: str | None


class Health(Struct, frozen=True, kw_only=True):
    """`ok` when PostgreSQL and Redis answer; the rest is for those who look closer."""

    ok: bool
    log_position: int
    commands_waiting: int
    dependencies: list[Dependency]
    projections: list[ProjectionHealth]
    books: BooksHealth | None
    sealing: SealingHealth | None
    session: Session | None
    checked_at: datetime


class HealthCheck:
    """Asks each dependency. `waiting` says how many commands are queued in this process."""

    def __init__(
        self,
        pool: "AsyncConnectionPool[psycopg.AsyncConnection[Any]]",
        redis_url: str,
        *,
        quotes: QuoteBoard,
        waiting: Callable[[], int],
        session: Callable[[], Session | None],
    ) -> None:
        self._pool = pool
        self._waiting = waiting
        self._session = session
        self._redis = connect_async(redis_url)
        self._quotes = quotes

    async def check(self) -> Health:
        """The whole picture, now. Never raises."""
        postgres, end, projections, books, sealing = await self._postgres()
        redis, executor = await self._redis_and_executor()
        return Health(
            ok=postgres.ok and redis.ok,
            log_position=end,
            commands_waiting=self._waiting(),
            dependencies=[postgres, redis, executor, self._market()],
            projections=projections,
            books=books,
            sealing=sealing,
            session=self._session(),
            checked_at=datetime.now(UTC),
        )

    async def close(self) -> None:
        """Let go of the connection."""
        await self._redis.aclose()

    async def _postgres(self) -> "_Seen":
        began = time.perf_counter()
        try:
            async with self._pool.connection(timeout=2) as connection:
                found = await connection.execute(
                    "SELECT coalesce(max(notification_id), 0) FROM stored_events"
                )
                row = await found.fetchone()
                end = row[0] if row else 0
                found = await connection.execute(
                    "SELECT name, position, failure, parked FROM projections ORDER BY name"
                )
                rows = await found.fetchall()
                books = await _books(connection)
                sealing = await (await connection.execute(STANDING)).fetchone()
        except (psycopg.Error, TimeoutError) as error:
            return Dependency(name="postgresql", ok=False, detail=type(error).__name__), 0, [], None, None
        projections = [
            ProjectionHealth(
                name=name, position=position, lag=max(0, end - position), failure=failure, parked=parked
            )
            for name, position, failure, parked in rows
        ]
        postgres = Dependency(name="postgresql", ok=True, latency_ms=_ms(began))
        return postgres, end, projections, books, None if sealing is None else _sealing(sealing, end)

    async def _redis_and_executor(self) -> tuple[Dependency, Dependency]:
        began = time.perf_counter()
        try:
            seen = await self._redis.get(PROGRESS)
        except (RedisError, OSError) as error:
            gone = Dependency(name="redis", ok=False, detail=type(error).__name__)
            return gone, Dependency(name="executor", ok=False, detail="not known without Redis")
        executor = Dependency(
            name="executor", ok=seen is not None, detail=None if seen else "not seen lately"
        )
        return Dependency(name="redis", ok=True, latency_ms=_ms(began)), executor

    def _market(self) -> Dependency:
        at = self._quotes.last_tick_at
        detail = "no quotes yet" if at is None else f"last tick at {at.isoformat()}"
        return Dependency(name="market", ok=at is not None, detail=detail)


async def _books(connection: psycopg.AsyncConnection[Any]) -> BooksHealth | None:
    """What the watch over the books has noted; None before it has begun."""
    found = await connection.execute("SELECT to_regclass('read.books_watch') IS NOT NULL")
    is_there = await found.fetchone()
    if is_there is None or not is_there[0]:
        return None
    row = await (await connection.execute(SEEN.encode())).fetchone()
    if row is None:
        return None
    position, violated_at, violation, checked_at, failed_at, failure = row
    said = "ok" if failure is None else f"failing at position {failed_at}"
    said = said if violation is None else f"violated at position {violated_at}"
    return BooksHealth(
        books=said, position=position, violation=violation, failure=failure, checked_at=checked_at
    )


_Seen = tuple[Dependency, int, list[ProjectionHealth], BooksHealth | None, SealingHealth | None]


def _sealing(row: tuple[Any, ...], end: int) -> SealingHealth:
    standing = standing_of(row)
    return SealingHealth(
        position=standing.log_position,
        lag=max(0, end - standing.log_position),
        seal=standing.number,
        sealed_at=standing.sealed_at,
        published=standing.published_number,
        bucket=standing.bucket_number,
        failure=standing.failure,
    )


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
