"""What is due at a time: day orders end with their session, long streams get snapshots, old logins go, and what visitors left."""

import threading
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import psycopg
import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from application import commands as c
from application.answers import Answer
from application.clock import Clock
from application.errors import Unavailable
from application.requests import Request
from domain.errors import Refusal
from infrastructure.eventstore.committer import Committer
from infrastructure.eventstore.snapshots import Snapshotter
from infrastructure.market.calendars import Calendar
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.projecting.tables import column_list, row_from
from projections.catalogue import BY_NAME
from projections.orders import DAY_ORDERS_PLACED_BEFORE, OrderRow

log = structlog.get_logger()

EXPIRE_EVERY_S = 0.5
SNAPSHOT_EVERY_S = 30
PURGE_EVERY_S = 3600
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


class Jobs:
    """All jobs of the scheduler role, run by APScheduler while this process holds the lease."""

    def __init__(self, url: str, *, session_ends: SessionEnds, snapshotter: Snapshotter) -> None:
        self._url = url
        self._lease = Lease(url, "scheduler")
        self._session_ends = session_ends
        self._snapshotter = snapshotter
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def run(self, stop: threading.Event) -> None:
        """Do what is due until `stop` is set. Without the lease the jobs are paused."""
        self._scheduler.add_job(self._expire, "interval", seconds=EXPIRE_EVERY_S)
        self._scheduler.add_job(self._snapshot, "interval", seconds=SNAPSHOT_EVERY_S)
        self._scheduler.add_job(self._purge, "interval", seconds=PURGE_EVERY_S)
        self._scheduler.start(paused=True)
        while not stop.is_set():
            if self._lease.hold():
                self._scheduler.resume()
            else:
                self._scheduler.pause()
            stop.wait(LEASE_CHECK_S)
        self._scheduler.shutdown(wait=True)
        self._lease.release()

    def _expire(self) -> None:
        _guarded(self._session_ends.expire, job="expire")

    def _snapshot(self) -> None:
        _guarded(self._snapshotter.take, job="snapshot")

    def _purge(self) -> None:
        _guarded(self._purge_expired, job="purge")

    def _purge_expired(self) -> None:
        with connect(self._url, application="daybook scheduler") as connection:
            connection.execute("DELETE FROM sessions WHERE expires_at < now()")
            connection.execute(_ERASE_VISITORS.encode())


def _guarded(work: Any, *, job: str) -> None:
    """A job that fails is tried again at its next turn."""
    try:
        work()
    except (psycopg.Error, Unavailable) as error:
        log.warning("a job could not be done", job=job, error=str(error).strip())


def _ended(future: "Future[Answer]") -> bool:
    try:
        future.result()
    except Refusal:
        return False
    return True
