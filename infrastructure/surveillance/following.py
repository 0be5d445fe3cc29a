"""Surveillance follows the log: every alert becomes a case, once, whatever dies in between.

A case's id follows from what it is about, so an alert that is raised again begins nothing: after a crash the log is
read again from the place that was last put down, and the cases that are there already stay as they are.
"""

import threading
import time
from concurrent.futures import Future
from typing import Any

import psycopg
import structlog

from application.answers import Answer
from application.casework import OpenCase
from application.errors import Unavailable
from application.requests import Request
from application.surveillance import Thresholds
from domain.case import Alert, AlertKind
from domain.errors import Refusal
from infrastructure.eventstore.committer import Committer
from infrastructure.eventstore.log import last_row
from infrastructure.figures import FIGURES
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.surveillance.reading import PAGE, DayOf, read_page
from infrastructure.surveillance.remembering import Remembered, remember, remembered

log = structlog.get_logger()

LOOK_S = 0.5
SAVE_EVERY_S = 10.0
REST = 50
"""It rests so many times as long as putting down took: with many accounts there is much to put down."""
TRY_AGAIN_S = 2.0
ROLE = "surveillance"
BLOCKED = frozenset({AlertKind.WASH_TRADING})
"""What an account is blocked for at once; all else waits for somebody to look at it."""


class Follower:
    """Reads on while it holds the lease."""

    def __init__(self, url: str, *, committer: Committer, thresholds: Thresholds, day_of: DayOf) -> None:
        self._url = url
        self._committer = committer
        self._thresholds = thresholds
        self._day_of = day_of
        self._lease = Lease(url, ROLE)

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set. What fails is begun anew from where it was last put down."""
        while not stop.is_set():
            if self._lease.hold():
                try:
                    self._work(stop)
                except (psycopg.Error, Unavailable) as error:
                    log.warning("surveillance begins anew", error=str(error).strip())
                    stop.wait(TRY_AGAIN_S)
                except Exception:
                    log.exception("surveillance does not go on")
                    stop.wait(TRY_AGAIN_S)
            stop.wait(LOOK_S)
        self._lease.release()

    def catch_up(self) -> int:
        """Read what there is, and put down how far. Returns the log position."""
        with connect(self._url, application="daybook surveillance") as connection:
            at = remembered(connection, self._thresholds)
            while self._page(connection, at):
                pass
            remember(connection, at, self._thresholds)
        return at.position

    def _work(self, stop: threading.Event) -> None:
        with connect(self._url, application="daybook surveillance") as connection:
            at = remembered(connection, self._thresholds)
            notes = _Notes(connection, at, self._thresholds)
            while not stop.is_set() and self._lease.hold():
                has_more = self._page(connection, at)
                FIGURES.note("surveillance_position", at.position)
                notes.now_and_then()
                if not has_more:
                    stop.wait(LOOK_S)
            if self._lease.hold():
                notes.at_once()

    def _page(self, connection: psycopg.Connection[Any], at: Remembered) -> bool:
        """Look at the next page, and keep its alerts. Whether there is more."""
        end = last_row(connection)[0]
        up_to = min(at.position + PAGE, end)
        alerts: list[Alert] = []
        if up_to > at.position:
            for seen in read_page(connection, at.position, up_to, self._day_of):
                alerts += at.watch.take_in(seen, self._thresholds)
        keep(self._committer, [one for one in alerts if one.log_position > at.quiet_until], self._thresholds)
        at.position = max(up_to, at.position)
        return up_to < end


class _Notes:
    """Puts down where the watch is, now and then."""

    def __init__(self, connection: psycopg.Connection[Any], at: Remembered, thresholds: Thresholds) -> None:
        self._connection = connection
        self._at = at
        self._thresholds = thresholds
        self._saved = at.position
        self._due = time.monotonic() + SAVE_EVERY_S

    def now_and_then(self) -> None:
        if time.monotonic() >= self._due:
            self.at_once()

    def at_once(self) -> None:
        began = time.monotonic()
        if self._at.position > self._saved:
            remember(self._connection, self._at, self._thresholds)
            self._saved = self._at.position
        took = time.monotonic() - began
        self._due = time.monotonic() + max(SAVE_EVERY_S, REST * took)


def keep(committer: Committer, alerts: list[Alert], thresholds: Thresholds) -> int:
    """Open a case for each alert that has none, and wait until all are durable. Returns how many were new."""
    futures = [committer.submit(_request(alert, thresholds)) for alert in alerts]
    return sum(_is_new(alert, future) for alert, future in zip(alerts, futures, strict=True))


def _is_new(alert: Alert, future: "Future[Answer]") -> bool:
    """Whether this opened the case. Raises Unavailable: it has to be tried again."""
    said = {"kind": alert.kind.value, "case_id": str(alert.case_id), "log_position": alert.log_position}
    try:
        answer: Any = future.result()
    except Unavailable:
        raise
    except Refusal as refusal:
        log.exception("an alert was refused", code=refusal.code, **said)
        return False
    if answer.is_new:
        log.warning("surveillance raised an alert", account_id=str(alert.account_id), **said)
    return bool(answer.is_new)


def _request(alert: Alert, thresholds: Thresholds) -> Request:
    block_for = thresholds.block_for if alert.kind in BLOCKED else None
    command = OpenCase.of(alert, block_for=block_for or None)
    return Request.by_role(ROLE, command, causation_id=f"event/{alert.log_position}")
