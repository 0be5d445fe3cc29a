"""Opens the books of each day: does the day's work before the day's first quote, and what is announced during it."""

import threading
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import psycopg
import structlog
from psycopg import Connection
from redis.exceptions import RedisError

from application.errors import Unavailable
from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.clocks import StampingClock
from infrastructure.market.calendars import Calendar
from infrastructure.postgres.connections import connect
from infrastructure.redis.market_day import DayBook, Presence

log = structlog.get_logger()

LOOK_S = 0.25
AGAIN_S = 0.05  # when what a job needs is on its way
AFTER_FAULT_S = 1.0

Step = Callable[[date], int]
"""One kind of work of a day: does all that is due on the day or before. Returns how much it did."""


class Keeper:
    """Does the day's work whenever the day turns or something new is known of the firm, while it `may_work`."""

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        *,
        clock: StampingClock,
        calendar: Calendar,
        steps: Callable[[Accounts], Sequence[Step]],
    ) -> None:
        self._database_url = database_url
        self._redis_url = redis_url
        self._clock = clock
        self._calendar = calendar
        self._steps = steps
        self._presence = Presence(redis_url)
        self._done: tuple[date, int] | None = None

    def keep(self, may_work: threading.Event, stop: threading.Event) -> None:
        """Until `stop`. A fault is logged, and everything begun anew."""
        while not stop.is_set():
            if not may_work.wait(LOOK_S):
                continue
            try:
                self._keep(may_work, stop)
            except (psycopg.Error, RedisError, OSError) as error:
                log.warning("the books cannot be kept", error=str(error).strip())
                stop.wait(AFTER_FAULT_S)
            except Exception:
                log.exception("the books cannot be kept")
                stop.wait(AFTER_FAULT_S)

    def here(self) -> None:
        """Say that the market may wait for us; to be said again and again."""
        self._presence.here()

    def gone(self) -> None:
        """Say that nobody need be waited for any more."""
        self._presence.gone()

    def _keep(self, may_work: threading.Event, stop: threading.Event) -> None:
        book, pause = DayBook(self._redis_url), LOOK_S
        try:
            with connect(self._database_url, application="daybook books") as connection:
                while may_work.is_set() and not stop.is_set():
                    turned = book.asked(pause)
                    if turned is not None:
                        self._clock.tell(turned.at)
                    is_open = self._open(book, connection, is_asked=turned is not None)
                    pause = LOOK_S if is_open else AGAIN_S
        finally:
            book.close()

    def _open(self, book: DayBook, connection: Connection[Any], *, is_asked: bool) -> bool:
        """Do what there is to do. False when it has to be tried again soon."""
        accounts = Accounts(connection)
        try:
            today = self._calendar.day_of(self._clock.now())
            is_due = (today, accounts.end_of_firm()) != self._done
            if is_due:
                for step in self._steps(accounts):
                    step(today)
                self._done = (today, accounts.end_of_firm())
            if is_asked or is_due:
                book.opened(today)
        except Unavailable as error:
            log.debug("the day's work has to wait", error=str(error))
            return False
        return True
