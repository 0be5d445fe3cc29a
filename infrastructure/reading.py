"""Reading for an event loop: read tables at a wanted log position, orders as the log has them, the past."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import psycopg
from msgspec import Struct

from application.answers import OrderAnswer
from application.brokerage import fold
from application.changes import AccountDifference, difference
from application.errors import DatabaseMustAnswer, ReadTableMustReachPosition
from application.history import AccountAsOf, account_as_of
from application.walking import OrderWalk, walk
from domain.aggregate import Event
from domain.errors import AccountMustExist, InstantMustBeWellFormed, OrderMustExist
from infrastructure.archiving.reading import Wanted, archived_async
from infrastructure.eventstore.log import (
    ABOUT_ACCOUNT,
    LOG_LOCK,
    Recorded,
    has_account,
    last_row,
    read_account,
)
from infrastructure.eventstore.mapper import decode_event
from infrastructure.gathering import Gatherer, GathererOfSeveral
from infrastructure.memory import collecting_later
from infrastructure.news import News
from infrastructure.postgres.connections import AsyncPool, lend
from infrastructure.projecting.tables import column_list, row_from
from infrastructure.recalling import Known, recall
from projections.catalogue import BY_NAME
from projections.projection import Projection
from projections.questions import Lookup, Lookups, Question

T = TypeVar("T", bound=Struct)
R = TypeVar("R")

Instant = int | datetime
"""A log position, or a moment."""

WAIT_FOR_LOCK = "SELECT pg_advisory_xact_lock_shared(%s)"

PARKED_AT = (
    "SELECT k.position FROM projection_parked k JOIN projection_generations g USING (name, generation)"
    " WHERE g.state = 'live' AND k.name = %s AND k.account_id = %s"
)


LOOK_AGAIN_S = 0.1
"""A wake-up may be lost, so whoever waits also looks for himself so often."""


class Read(Struct, Generic[T], frozen=True):
    """Rows of a read table. It stood at least at `log_position`; `lag` is how many events it was behind."""

    rows: list[T]
    log_position: int
    lag: int

    @property
    def row(self) -> T | None:
        """The first row, if any."""
        return self.rows[0] if self.rows else None


class Reads:
    """Puts questions to read tables. `log_end` says how far the log is known to reach."""

    def __init__(self, pool: AsyncPool, news: News, *, patience: float, log_end: Callable[[], int]) -> None:
        self._pool = pool
        self._news = news
        self._patience = patience
        self._log_end = log_end
        self._statements: dict[int, tuple[Question[Any], bytes]] = {}
        self._gatherers: dict[int, tuple[Lookup[Any], Gatherer]] = {}
        self._several: dict[int, tuple[Lookups, GathererOfSeveral]] = {}

    async def many(
        self, question: Question[T] | Lookup[T], *, min_position: int | None = None, **parameters: Any
    ) -> Read[T]:
        """All rows of the answer, at `min_position` of the log or later.

        Raises ReadTableMustReachPosition when the table does not get there in time.
        """
        reached = await self._standing(question.projection, min_position, parameters.get("account_id"))
        if isinstance(question, Lookup):
            key = tuple(parameters[name] for name in question.by)
            rows = await self._gatherer(question).ask(key)
        else:
            rows = await self._ask(question, parameters)
        return Read(rows, reached, max(0, self.end() - reached))

    one = many

    async def several(
        self, lookups: Lookups, *, min_position: int | None = None, **parameters: Any
    ) -> list[Read[Any]]:
        """The rows of each look-up as they were at one moment, each table at `min_position` or later.

        Raises ReadTableMustReachPosition.
        """
        account_id = parameters.get("account_id")
        reached = [await self._standing(each.projection, min_position, account_id) for each in lookups.each]
        found = await self._gatherer_of(lookups).ask(tuple(parameters[name] for name in lookups.by))
        end = self.end()
        return [Read(rows, at, max(0, end - at)) for rows, at in zip(found, reached, strict=True)]

    async def require_account(self, account_id: UUID) -> None:
        """Raise AccountMustExist when the log has nothing about this account; a table may be behind it."""
        async with lend(self._pool) as connection:
            found = await connection.execute(ABOUT_ACCOUNT, {"of": account_id}, prepare=True)
            if await found.fetchone() is None:
                raise AccountMustExist(f"there is no account {account_id}")

    async def _ask(self, question: Question[Any], parameters: dict[str, Any]) -> list[Any]:
        projection = BY_NAME[question.projection]
        async with lend(self._pool) as connection:
            found = await connection.execute(self._statement(question), parameters, prepare=True)
            return [_answer(question, projection, values) for values in await found.fetchall()]

    async def _standing(self, name: str, wanted: int | None, account_id: UUID | None) -> int:
        """Where a projection stands for an account, once it has reached what is wanted."""
        reached = await self._reach(name, wanted)
        back = await self._stands_back(name, account_id)
        if back is not None:
            reached = min(reached, back)
            if wanted is not None and reached < wanted:
                raise ReadTableMustReachPosition(wanted=wanted, reached=reached)
        return reached

    async def _reach(self, name: str, wanted: int | None) -> int:
        """Wait for a projection to come to a position. Returns where it is, as far as is known.

        News wake whoever waits; when none come for a while, it looks for itself.
        """
        reached = self._news.positions.get(name)
        if reached is None:
            reached = await self._look(name)
        deadline = time.monotonic() + self._patience
        while wanted is not None and reached < wanted:
            told, remaining = False, deadline - time.monotonic()
            if remaining > 0:
                told = await self._news.projected(min(remaining, LOOK_AGAIN_S))
            reached = self._news.positions.get(name, 0) if told else await self._look(name)
            if reached < wanted and time.monotonic() >= deadline:
                raise ReadTableMustReachPosition(wanted=wanted, reached=reached)
        return reached

    async def _look(self, name: str) -> int:
        async with lend(self._pool) as connection:
            found = await connection.execute(
                "SELECT position, parked FROM projections WHERE name = %s", (name,)
            )
            row = await found.fetchone()
        position, parked = row or (0, 0)
        self._news.looked(name, position, parked)
        return int(position)

    async def _stands_back(self, name: str, account_id: UUID | None) -> int | None:
        """Where the projection stands for this account, when it has been put aside."""
        if account_id is None or not self._news.may_have_parked(name):
            return None
        async with lend(self._pool) as connection:
            found = await connection.execute(PARKED_AT, (name, account_id))
            row = await found.fetchone()
        return None if row is None else int(row[0]) - 1

    async def standing(self, name: str, *, min_position: int | None = None) -> Read[Any]:
        """Where a projection stands, at `min_position` or later; no rows. Raises ReadTableMustReachPosition."""
        reached = await self._reach(name, min_position)
        return Read([], reached, max(0, self.end() - reached))

    def end(self) -> int:
        """How far the log is known to reach."""
        return max(self._log_end(), self._news.log_position)

    def _statement(self, question: Question[Any]) -> bytes:
        known = self._statements.get(id(question))
        if known is None:
            columns = column_list(BY_NAME[question.projection].table)
            known = self._statements[id(question)] = (question, question.sql(columns).encode())
        return known[1]

    def _gatherer(self, lookup: Lookup[Any]) -> Gatherer:
        known = self._gatherers.get(id(lookup))
        if known is None:
            known = self._gatherers[id(lookup)] = (lookup, Gatherer(self._pool, lookup))
        return known[1]

    def _gatherer_of(self, lookups: Lookups) -> GathererOfSeveral:
        known = self._several.get(id(lookups))
        if known is None:
            known = self._several[id(lookups)] = (lookups, GathererOfSeveral(self._pool, lookups))
        return known[1]


class OrdersNow:
    """Single orders, as the end of the log has them."""

    def __init__(self, pool: AsyncPool, news: News) -> None:
        self._pool = pool
        self._news = news

    async def now(self, order_id: UUID, account_id: UUID) -> OrderAnswer:
        """The order now. Raises OrderMustExist."""
        async with lend(self._pool) as connection:
            found = await connection.execute(
                "SELECT topic, state, notification_id, originator_version FROM stored_events"
                " WHERE originator_id = %s ORDER BY originator_version",
                (order_id,),
                prepare=True,
            )
            rows = await found.fetchall()
            if not rows or rows[0][3] != 1:  # versions begin with 1: the rest is in the archive, if anywhere
                rows = await self._archived(connection, order_id) + rows
        order = fold(None, (decode_event(row[0], row[1]) for row in rows))
        if order is None or order.account_id != account_id:
            raise OrderMustExist(f"there is no order {order_id}")
        answer = OrderAnswer.of(order)
        answer.log_position = rows[-1][2]
        return answer

    @staticmethod
    async def _archived(connection: psycopg.AsyncConnection[Any], order_id: UUID) -> list[tuple[Any, ...]]:
        found = await archived_async(connection, Wanted(stream_id=order_id))
        return [(row.topic, row.state, row.log_position, row.originator_version) for row in found]

    async def settled(self, order_id: UUID, account_id: UUID, *, timeout: float) -> OrderAnswer:  # noqa: ASYNC109, RUF100
        """The order once it has ended, or as it is when `timeout` seconds are over."""
        deadline = time.monotonic() + timeout
        while True:
            answer = await self.now(order_id, account_id)
            remaining = deadline - time.monotonic()
            if answer.ended_at is not None or remaining <= 0:
                return answer
            await self._news.order_changed(order_id, min(remaining, LOOK_AGAIN_S))


class Lender(Protocol):
    """Lends connections, as a pool does."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """One, for as long as it is needed."""


class History:
    """Accounts as they stood."""

    def __init__(self, pool: Lender, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now

    async def as_of(
        self,
        account_id: UUID,
        *,
        log_position: int | None,
        at: datetime | None,
        effective_at: datetime | None = None,
        explain: bool = False,
        min_position: int | None = None,
    ) -> AccountAsOf:
        """The account as known at a log position or a moment, inclusive; the log must reach `min_position`.

        With `effective_at` only facts that count to a time up to it are in it; `explain` adds what made its numbers.
        Raises AccountMustExist, MomentMustBeWithinTheAccountsLife, or InstantMustBeWellFormed for a
        moment that has not passed: what will be recorded then is not known yet.
        """
        return await in_a_thread(
            self.as_of_now,
            account_id,
            log_position,
            at,
            min_position,
            effective_at=effective_at,
            explain=explain,
        )

    def as_of_now(
        self,
        account_id: UUID,
        log_position: int | None,
        at: datetime | None,
        min_position: int | None = None,
        *,
        effective_at: datetime | None = None,
        explain: bool = False,
        whole: bool = False,
    ) -> AccountAsOf:
        """The same, in the calling thread. `whole` folds from the account's first event on, without snapshots, as
        an explained answer always does.
        """
        known = Known(log_position, at)
        if explain or whole:
            with self._pool.connection() as connection:
                rows = self._known(connection, account_id, log_position, at, min_position)
            with collecting_later():
                return account_as_of(account_id, _events(rows), effective_at=effective_at, explain=explain)
        with self._pool.connection() as connection:
            self._require_known(connection, known, min_position)
            standing = recall(connection, account_id, known, effective_at=effective_at)
            if not standing.log_position:
                _require_account(connection, account_id)
        return standing.answer(effective_at=effective_at)

    def _known(
        self,
        connection: psycopg.Connection[Any],
        account_id: UUID,
        log_position: int | None,
        at: datetime | None,
        min_position: int | None = None,
    ) -> list[Recorded]:
        """The account's rows that were recorded up to there, for ever the same ones."""
        self._require_known(connection, Known(log_position, at), min_position)
        rows = read_account(connection, account_id, up_to=log_position, at=at)
        if not rows:
            _require_account(connection, account_id)
        return rows

    def _require_known(
        self, connection: psycopg.Connection[Any], known: Known, min_position: int | None
    ) -> None:
        """Nothing more will be recorded up to there."""
        end, recorded_at = last_row(connection)
        if min_position is not None and end < min_position:
            raise ReadTableMustReachPosition(wanted=min_position, reached=end)
        if known.log_position is not None and known.log_position > end:
            raise InstantMustBeWellFormed(f"the log ends at {end}")
        if known.at is None or (recorded_at is not None and known.at < recorded_at):
            return  # the log's time never runs backwards: nothing can be recorded there any more
        if known.at >= self._now():
            raise InstantMustBeWellFormed(f"{known.at.isoformat()} has not passed")
        # What is being decided right now may bear this moment's stamp: wait for its commit.
        with connection.transaction():
            connection.execute(WAIT_FOR_LOCK, (LOG_LOCK,))

    def difference(self, account_id: UUID, from_: Instant, to: Instant) -> AccountDifference:
        """What is different at `to` from what was at `from_`, both inclusive, in the calling thread.

        Raises as `as_of` does, and InstantMustBeWellFormed when `to` is the earlier one.
        """
        with self._pool.connection() as connection:
            before = self._known(connection, account_id, *_either(from_))
            rows = self._known(connection, account_id, *_either(to))
        if len(rows) < len(before):
            raise InstantMustBeWellFormed("the second moment is before the first")
        begun = before[-1].log_position if before else 0
        return difference(account_id, _events(rows), from_position=begun)

    def walk(self, order_id: UUID) -> OrderWalk:
        """One order's life, step by step, in the calling thread. Raises OrderMustExist."""
        with self._pool.connection() as connection:
            found = connection.execute(
                "(SELECT account_id FROM stored_events WHERE originator_id = %(of)s LIMIT 1) UNION ALL"
                " (SELECT account_id FROM archived_streams WHERE originator_id = %(of)s LIMIT 1)",
                {"of": order_id},
            ).fetchone()
            rows = [] if found is None else read_account(connection, found[0], up_to=None, at=None)
        if found is None:
            raise OrderMustExist(f"there is no order {order_id}")
        return walk(order_id, found[0], _events(_through_the_last_about(order_id, rows)))


def _require_account(connection: psycopg.Connection[Any], account_id: UUID) -> None:
    if not has_account(connection, account_id):
        raise AccountMustExist(f"there is no account {account_id}")


def _events(rows: Sequence[Recorded]) -> Iterator[tuple[int, Event]]:
    return ((row.log_position, row.event()) for row in rows)


def _either(moment: Instant) -> tuple[int | None, datetime | None]:
    return (moment, None) if isinstance(moment, int) else (None, moment)


def _through_the_last_about(order_id: UUID, rows: Sequence[Recorded]) -> Sequence[Recorded]:
    """What came after the order's last fact need not be read: an event about an order has its id in its bytes."""
    text = str(order_id).encode()
    last = max((number for number, row in enumerate(rows) if text in row.state), default=-1)
    return rows[: last + 1]


async def in_a_thread(work: Callable[..., R], *parameters: Any, **named: Any) -> R:
    """Ask the database in a thread of its own. Raises DatabaseMustAnswer."""
    try:
        return await asyncio.to_thread(work, *parameters, **named)
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseMustAnswer("the database does not answer; try again") from error


def _answer(question: Question[T], projection: Projection, values: Sequence[Any]) -> T:
    """A row of the answer: one of the table, or what the question made of several."""
    row: T = question.row(*values) if question.select else row_from(projection, values)
    return row
