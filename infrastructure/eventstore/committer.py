"""Decide under the log lock, many commands in one transaction.

One thread drains the commands that arrived while the last transaction was being written and then, in
one transaction: takes the log lock; reads what other processes appended; answers repeated
idempotency keys from their stored answers; decides each command on the current state; appends all
new events with their idempotency rows; commits; and only then answers everyone. So the decisions of
a log are strictly serial, there is no conflict to retry, no gap for a reader to skip, and one fsync
serves a whole batch.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct
from psycopg.errors import IdleInTransactionSessionTimeout, TransactionTimeout, UniqueViolation

from application.answers import Answer
from application.clock import Clock
from application.errors import LogMustBeWritable, QueueMustHaveRoom, Unavailable
from application.requests import Request
from application.rules import TradingRules
from domain.errors import Refusal
from infrastructure.eventstore.batch import Batch
from infrastructure.eventstore.cache import AggregateCache
from infrastructure.eventstore.jobs import Job, deliver
from infrastructure.eventstore.log import (
    APPEND,
    BEGIN,
    COMMIT,
    FOREIGN_AFTER,
    LOG_LOCK,
    TAKE_LOCK,
    Foreign,
    last_row,
)
from infrastructure.figures import FIGURES
from infrastructure.interpreter import hand_over_sooner
from infrastructure.postgres import arrays
from infrastructure.postgres.connections import connect, has_transaction_timeout
from infrastructure.postgres.together import Statement, Together

log = structlog.get_logger()

_KEYS = (
    "SELECT k.account_id, k.key, k.request_hash, k.answer FROM unnest(%b, %b) AS want(account_id, key)"
    " JOIN idempotency_keys k ON k.account_id = want.account_id AND k.key = want.key"
)
_KEEP_KEYS = (
    "INSERT INTO idempotency_keys (account_id, key, request_hash, answer, recorded_at)"
    " SELECT *, %b::timestamptz FROM unnest(%b, %b, %b, %b)"
)
_IS_THERE = "SELECT 1 FROM stored_events WHERE notification_id = %s AND originator_id = %s AND state = %s"

FOREIGN_LIMIT = 20_000
"""More than this appended by others since the last look, and reading again is cheaper than following."""

_LOCK, _LOCK_NUMBER = TAKE_LOCK.replace("%s", "%b"), (arrays.int8(LOG_LOCK),)
_MOST_FOREIGN = arrays.int8(FOREIGN_LIMIT)

WORTH_ANOTHER_TRY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    UniqueViolation,
    TransactionTimeout,
    IdleInTransactionSessionTimeout,
)
RETRY_S = 0.05
LONGEST_TRANSACTION_MS = 5_000

Observer = Callable[[int, set[UUID]], None]
OnRefused = Callable[[Request, Refusal, int], None]


class CommitterSettings(Struct, frozen=True, kw_only=True):
    """Bounds of a committer. `patience` is how many seconds a batch waits for PostgreSQL to come back."""

    batch_limit: int = 512
    queue_limit: int = 10_000
    cache_aggregates: int = 200_000
    rules: TradingRules = TradingRules()
    patience: float = 10.0


class Committer:
    """The one way into the log. `submit` and `submit_async` may be called from any thread.

    `on_commit` is told the log's end and the changed orders after each commit, before its commands are answered;
    `on_refused` is told each command that was refused, why, and the log's end.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        settings: CommitterSettings | None = None,
        on_commit: Observer | None = None,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._settings = settings or CommitterSettings()
        self._on_commit = on_commit
        self._on_refused = on_refused
        self._cache = AggregateCache(self._settings.cache_aggregates)
        self._queue: deque[Job] = deque()
        self._arrived = threading.Event()
        self._stopping = False
        self._connection: psycopg.Connection[Any] | None = None
        self._together: Together
        self._position = 0
        self._last_time: datetime | None = None
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    # What others call.

    def start(self) -> "Committer":
        """Begin to take commands."""
        hand_over_sooner()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Finish what has been taken, then end. Idempotent."""
        self._stopping = True
        self._arrived.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._settings.patience + 5)

    def submit(self, request: Request) -> "Future[Answer]":
        """Queue a command; the future has its answer or its Refusal. Raises QueueMustHaveRoom."""
        future: Future[Answer] = Future()
        self._enqueue(Job(request, future))
        return future

    def submit_async(self, request: Request) -> "asyncio.Future[Answer]":
        """The same for the running event loop."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._enqueue(Job(request, future))
        return future

    @property
    def waiting(self) -> int:
        """Commands in the queue."""
        return len(self._queue)

    @property
    def log_position(self) -> int:
        """The last position this committer has seen."""
        return self._position

    def _enqueue(self, job: Job) -> None:
        if self._stopping or len(self._queue) >= self._settings.queue_limit:
            raise QueueMustHaveRoom(f"{len(self._queue)} commands are waiting")
        self._queue.append(job)
        if (
            not self._arrived.is_set()
        ):  # it is cleared before the queue is emptied, so a job is never overlooked
            self._arrived.set()

    # The thread.

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                self._work(self._take())
            if self._stopping and not self._queue:
                break
        if self._connection is not None:
            self._connection.close()

    def _take(self) -> list[Job]:
        count = min(len(self._queue), self._settings.batch_limit)
        return [self._queue.popleft() for _ in range(count)]

    def _work(self, jobs: list[Job]) -> None:
        """Carry a batch to an outcome, whatever PostgreSQL does meanwhile."""
        deadline = time.monotonic() + self._settings.patience
        batch: Batch | None = None
        while True:
            try:
                connection = self._connected()
                if batch is not None and self._was_committed(connection, batch):
                    break
                batch = self._batch(jobs)
                self._commit(connection, batch)
                break
            except Unavailable as refusal:
                return _fail(jobs, refusal)
            except WORTH_ANOTHER_TRY as error:
                self._lose(error)
                if time.monotonic() > deadline:
                    return _fail(jobs, LogMustBeWritable("the log does not answer; try again"))
                time.sleep(RETRY_S)
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the only writer
                self._lose(error)
                return self._one_by_one(jobs, error)
        self._after_commit(batch)
        self._tell_refused(_count(jobs, batch))
        deliver(jobs)
        return self._cache.catch_up()

    def _one_by_one(self, jobs: list[Job], error: Exception) -> None:
        """One command that PostgreSQL will not take must not take its neighbours with it."""
        log.error("batch failed", commands=len(jobs), error=repr(error))
        if len(jobs) == 1:
            return _fail(jobs, error)
        for job in jobs:
            self._work([job])
        return None

    def _batch(self, jobs: list[Job]) -> Batch:
        for job in jobs:
            job.again()
        return Batch(jobs, cache=self._cache, rules=self._settings.rules)

    def _commit(self, connection: psycopg.Connection[Any], batch: Batch) -> None:
        clock_says = self._clock.now()  # before the lock: it may refuse
        batch.prefetch(connection, self._together)
        found, *keys = self._lock_and_look(batch.keys())
        self._learn(connection, found, batch)
        if not has_transaction_timeout(connection):
            connection.execute("SELECT 1")
        if keys:
            batch.answer_repeated(keys[0])
        now = clock_says if self._last_time is None else max(clock_says, self._last_time)
        batch.decide(connection, self._together, now=now, after=self._position)
        *_, end = self._together.run(*_writes(batch, now), (COMMIT, ()))
        if end.command_status != b"COMMIT":  # a transaction that has failed answers a COMMIT with ROLLBACK
            raise psycopg.OperationalError("the transaction was not committed")

    def _lock_and_look(self, keys: Sequence[arrays.Column] | None) -> list[list[tuple[Any, ...]]]:
        """Begin a transaction that holds the log lock. What others have appended, and the keys that were used."""
        statements: list[Statement] = [(BEGIN, ()), (_LOCK, _LOCK_NUMBER)]
        statements.append((FOREIGN_AFTER, (arrays.int8(self._position), _MOST_FOREIGN)))
        if keys is not None:
            statements.append((_KEYS, keys))
        _, _, *results = self._together.run(*statements)
        return [self._together.rows(result) for result in results]

    def _learn(self, connection: psycopg.Connection[Any], found: Sequence[Foreign], batch: Batch) -> None:
        """Bring the cache up to the end of the log, which cannot move while we hold its lock."""
        # A hole is where rows were archived while this process had nothing to decide.
        if len(found) >= FOREIGN_LIMIT or (found and found[0][0] != self._position + 1):
            self._cache.clear()
            batch.forget_blanks()
            self._position, self._last_time = last_row(connection)
            return
        if found:
            self._cache.learn(found)
            batch.heed(found)
            self._position, self._last_time = found[-1][0], arrays.moment(found[-1][1])

    def _after_commit(self, batch: Batch) -> None:
        if batch.rows:
            self._position = batch.rows.end
            self._last_time = batch.rows.events[-1].recorded_at
            self._tell(batch)
        self._cache.trim()

    def _tell(self, batch: Batch) -> None:
        if self._on_commit is None:
            return
        try:
            self._on_commit(batch.rows.end, batch.rows.orders())
        except Exception:
            log.exception("a listener of the log failed")

    def _tell_refused(self, refused: Sequence[tuple[Request, Refusal]]) -> None:
        if self._on_refused is not None:
            for request, refusal in refused:
                self._on_refused(request, refusal, self._position)

    # The connection.

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(
                self._url,
                application="daybook committer",
                longest_transaction_ms=LONGEST_TRANSACTION_MS,
                by_key=True,
            )
            self._together = Together(self._connection)
            self._cache.clear()
            self._position, self._last_time = last_row(self._connection)
        return self._connection

    def _lose(self, error: Exception) -> None:
        """Give up the connection and all that was folded: what became of the batch is not known."""
        log.warning("the log's connection was lost", error=repr(error).strip())
        self._cache.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _was_committed(self, connection: psycopg.Connection[Any], batch: Batch) -> bool:
        """Whether a batch whose commit was not answered is in the log: its first event tells for all.

        Waiting for the log lock first: the old transaction holds it until it has ended.
        """
        if not batch.rows:
            return False
        rows = batch.rows
        with connection.transaction():
            connection.execute(TAKE_LOCK, (LOG_LOCK,))
            first = (rows.positions[0], rows.events[0].originator_id, rows.states[0])
            found = connection.execute(_IS_THERE, first)
            return found.fetchone() is not None


def _writes(batch: Batch, now: datetime) -> list[Statement]:
    writes: list[Statement] = []
    if batch.rows.waiting:
        writes.append((APPEND, batch.rows.columns()))
    if batch.new_keys:
        writes.append((_KEEP_KEYS, (arrays.time(now), *batch.new_keys.columns())))
    return writes


def _count(jobs: Sequence[Job], batch: Batch) -> list[tuple[Request, Refusal]]:
    """Count them; answers those that were refused."""
    FIGURES.size(len(jobs))
    FIGURES.add("commands", len(jobs))
    if batch.rows:
        FIGURES.add("commits")
        FIGURES.add("events", len(batch.rows.positions))
    refused = [(job.request, job.error) for job in jobs if isinstance(job.error, Refusal)]
    for _, refusal in refused:
        FIGURES.add("refusals", of=refusal.code)
    return refused


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    for job in jobs:
        job.answer, job.error = None, error
    deliver(jobs)
