"""Run the simulated market: one step of every symbol at each interval, in the wall's own time."""

import threading
from datetime import UTC, datetime, timedelta

from domain.quotes import Quote
from infrastructure.market.announcer import Announcer
from infrastructure.market.calendars import Calendar
from infrastructure.market.progress import ProgressFile
from infrastructure.market.sources.simulated import SimulatedMarket
from infrastructure.redis.market_day import DayTurn


class SimulationRunner:
    """Publishes a tick each `interval` seconds, and one at each open and close of the calendar."""

    def __init__(
        self,
        market: SimulatedMarket,
        *,
        interval: float,
        calendar: Calendar,
        announcer: Announcer,
        day: DayTurn,
        file: ProgressFile,
        stop: threading.Event,
    ) -> None:
        self._market = market
        self._interval = timedelta(seconds=interval)
        self._calendar = calendar
        self._announcer = announcer
        self._day = day
        self._file = file
        self._stop = stop

    def run(self) -> None:
        """Blocks until `stop`. A tick that Redis does not take is lost: the next one is newer."""
        due = datetime.now(UTC)
        while not self._stop.is_set():
            at = datetime.now(UTC)
            if at >= due:
                due = max(due + self._interval, at)
            due = min(due, at + self._interval)  # the wall's clock may have been set back
            upcoming = self._tick(at, due=due)
            self._stop.wait(max(0.0, (upcoming - datetime.now(UTC)).total_seconds()))
        self._file.progress.prices = self._market.prices()

    def _tick(self, at: datetime, *, due: datetime) -> datetime:
        """Publish what the market says at `at`; gives the time of the next tick."""
        self._day.turn_to(at)
        session = self._calendar.session_at(at)
        # A closed market quotes nothing new; but the first tick says where prices stand.
        quotes = self._market.step(at) if session.is_open or not self._announcer.number else []
        until = min(due, session.closes_at or self._calendar.next_open(at))
        self._announcer.announce(
            quotes, self._announcer.read_clock(at, session=session, until=until, speed=1.0)
        )
        self._note(quotes)
        return until

    def _note(self, quotes: list[Quote]) -> None:
        progress = self._file.progress
        if quotes:
            progress.last_sequence = quotes[-1].sequence
        if self._file.is_due():
            progress.prices = self._market.prices()
            self._file.write()
            self._announcer.restore()
