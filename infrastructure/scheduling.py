"""What is due at a time, done again and again by one process: day orders end with their session, for one."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import psycopg
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from msgspec import Struct

from application import commands as c
from application.answers import Answer
from application.clock import Clock
from application.errors import Unavailable
from application.requests import Request
from domain.errors import Refusal
from infrastructure.bookkeeping.keeper import Keeper
from infrastructure.eventstore.committer import Committer
from infrastructure.market.calendars import Calendar
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.projecting.tables import column_list, row_from
from projections.catalogue import BY_NAME
from projections.orders import DAY_ORDERS_PLACED_BEFORE, OrderRow

log = structlog.get_logger()

EXPIRE_AT_ONCE = 1000
LEASE_CHECK_S = 0.5

_ERASE_VISITORS = (
    "WITH expired AS (DELETE FROM personal_keys WHERE expires_at < now() RETURNING owner_id)"
    " UPDATE origins o SET personal = NULL, same = NULL FROM expired e WHERE o.owner_id = e.owner_id"
)


class SessionEnds:
    """Expires the day orders of sessions that have closed by the clock."""

    def __init__(self, url: str, *, committer: Committer, clock: Clock, calendar: Calendar) -> None:
        self._url = url
        self._committer = committer
        self._clock = clock
        self._calendar = calendar

    def expire(self) -> int:
        """End what is over. Returns how many orders. An order that has ended meanwhile is passed over."""
        try:
            moment = self._calendar.last_close(self._clock.now())
        except Unavailable:
            return 0  # the market has not said what time it is
        expired = 0
        seen: set[UUID] = set()  # the table may not yet show what has just been ended
        while due := [row for row in self._due(moment) if row.order_id not in seen]:
            seen.update(row.order_id for row in due)
            futures = [self._submit(row) for row in due]
            expired += sum(_ended(future) for future in futures)
        if expired:
            log.info("day orders expired", orders=expired, session_closed_at=moment.isoformat())
        return expired

    def _due(self, moment: Any) -> list[OrderRow]:
        question, projection = DAY_ORDERS_PLACED_BEFORE, BY_NAME["orders"]
        sql = question.sql(column_list(projection.table)).encode()
        with connect(self._url, application="daybook scheduler") as connection:
            found = connection.execute(sql, {"moment": moment, "limit": EXPIRE_AT_ONCE}).fetchall()
        return [row_from(projection, values) for values in found]

    def _submit(self, row: OrderRow) -> "Future[Answer]":
        command = c.ExpireOrder(account_id=row.account_id, order_id=row.order_id, symbol=row.symbol)
        return self._committer.submit(Request.by_role("scheduler", command))


class Job(Struct, frozen=True):
    """Work that is done every so many seconds, each time as far as it is due."""

    name: str
    every: float
    work: Callable[[], Any]


class Jobs:
    """All jobs of the scheduler role, run while this process holds the lease: by APScheduler, and each day's
    by its keeper, in a thread of its own.
    """

    def __init__(self, url: str, jobs: Iterable[Job], *, keeper: Keeper) -> None:
        self._jobs = tuple(jobs)
        self._keeper = keeper
        self._may_work = threading.Event()
        self._lease = Lease(url, "scheduler")
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def run(self, stop: threading.Event) -> None:
        """Do what is due until `stop` is set. Without the lease the jobs are paused."""
        for job in self._jobs:
            self._scheduler.add_job(_guarded, "interval", (job,), seconds=job.every)
        self._scheduler.start(paused=True)
        books = threading.Thread(target=self._keeper.keep, args=(self._may_work, stop), name="books")
        books.start()
        while not stop.is_set():
            if self._lease.hold():
                self._scheduler.resume()
                self._may_work.set()
                self._keeper.here()
            else:
                self._scheduler.pause()
                self._may_work.clear()
            stop.wait(LEASE_CHECK_S)
        self._scheduler.shutdown(wait=True)
        books.join()
        self._keeper.gone()
        self._lease.release()


def purge_expired(url: str) -> None:
    """Forget logins that have ended, and what visitors left whose key has expired."""
    with connect(url, application="daybook scheduler") as connection:
        connection.execute("DELETE FROM sessions WHERE expires_at < now()")
        connection.execute(_ERASE_VISITORS.encode())


def _guarded(job: Job) -> None:
    """A job that fails is tried again at its next turn."""
    try:
        job.work()
    except (psycopg.Error, Unavailable) as error:
        log.warning("a job could not be done", job=job.name, error=str(error).strip())


def _ended(future: "Future[Answer]") -> bool:
    try:
        future.result()
    except Refusal:
        return False
    return True
