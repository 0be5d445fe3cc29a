"""Replay recorded data: cut it into ticks, pace them, publish them, and remember how far it came.

A replay runs `market_speed` market seconds in a wall second while a session is open. Closed hours
are passed over: a stretch of them between two ticks costs a wall second at most. At speed "max"
nothing waits for time, only for the executor.
"""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import structlog

from domain.quotes import ClockReading
from infrastructure.market.announcer import Announcer
from infrastructure.market.calendars import Calendar
from infrastructure.market.pace import Pace, seconds_between
from infrastructure.market.progress import ProgressFile
from infrastructure.market.sources.rows import MarketDataCannotBeRead, Replay
from infrastructure.market.ticks import Cut, Cutter
from infrastructure.redis.market_day import DayTurn

INTERVAL = 0.02  # wall seconds: what falls into one goes out in one tick
MOST_PACED = 10_000  # quotes a tick
MOST_UNPACED = 500
IDLE = 1.0  # wall seconds between two looks at Redis once the data have ended

log = structlog.get_logger()


class ReplayRunner:
    """Runs one replay to its end, at `speed` market seconds a wall second or, with None, as fast as it goes."""

    def __init__(
        self,
        source: Replay,
        *,
        speed: float | None,
        calendar: Calendar,
        announcer: Announcer,
        day: DayTurn,
        file: ProgressFile,
        stop: threading.Event,
        exit_at_end: bool,
    ) -> None:
        self._source = source
        self._calendar = calendar
        self._announcer = announcer
        self._day = day
        self._pace = Pace(speed, announcer=announcer, stop=stop)
        self._file = file
        self._stop = stop
        self._exit_at_end = exit_at_end
        self._quotes = 0
        if speed is None:
            self._cutter = Cutter(calendar, window=None, most=MOST_UNPACED)
        else:
            self._cutter = Cutter(calendar, window=timedelta(seconds=INTERVAL * speed), most=MOST_PACED)

    def run(self) -> None:
        """Blocks until `stop`, or the end of the data with `exit_at_end`. Raises MarketDataCannotBeRead."""
        started = time.monotonic()
        for cut, following in _with_next(self._cutter.cut(self._source, after=self._source.resume_after)):
            if self._announcer.number == 0:
                self._take_over(cut)
            if not self._pace.wait():
                return
            self._day.turn_to(cut.first_at)
            if not self._publish(cut, following):
                return
            self._pace.went_out(cut, following)
            self._note(cut)
        self._summarise(seconds=time.monotonic() - started)
        self._finish()

    def _take_over(self, first: Cut) -> None:
        """After a restart Redis may know nothing of the quotes that were published before it."""
        at = self._source.resume_after
        if at is not None:
            session = self._calendar.session_at(at)
            reading = self._announcer.read_clock(at, session=session, until=first.first_at, speed=0.0)
            self._announcer.store(self._source.before, reading)

    def _publish(self, cut: Cut, following: Cut | None) -> bool:
        wall_seconds = self._pace.wall_seconds(cut, following)
        speed = seconds_between(cut, following) / wall_seconds if wall_seconds else 0.0
        # The clock must not pass a quote that is still to come: an order would be older than its time.
        until = cut.at if following is None else following.first_at

        def taken() -> ClockReading:
            return self._announcer.read_clock(cut.at, session=cut.session, until=until, speed=speed)

        return self._announcer.announce_patiently(cut.quotes, taken)

    def _note(self, cut: Cut) -> None:
        progress = self._file.progress
        progress.at = cut.at
        self._quotes += len(cut.quotes)
        if cut.quotes:
            progress.last_sequence = max(progress.last_sequence, cut.quotes[-1].sequence)
        if self._file.is_due():
            self._file.write()
            self._announcer.restore()

    def _summarise(self, *, seconds: float) -> None:
        log.info(
            "the market's data have ended",
            rows=self._source.tally.rows,
            left_out=self._source.tally.left_out,
            ticks=self._announcer.number,
            quotes=self._quotes,
            seconds=round(seconds, 3),
            quotes_per_second=round(self._quotes / max(seconds, 0.001)),
        )

    def _finish(self) -> None:
        """Say that the clock stands for good, and keep saying it to a Redis that forgets."""
        at = self._file.progress.at
        if at is None:
            raise MarketDataCannotBeRead("the market's data hold no quote that can be used")
        session = self._calendar.session_at(at)
        self._announcer.quotes = {**self._source.before, **self._announcer.quotes}

        def taken() -> ClockReading:
            return self._announcer.read_clock(at, session=session, until=at, speed=0.0, finished=True)

        if not self._announcer.announce_patiently([], taken):
            return
        self._file.write()
        self._announcer.restore_all()
        while not self._exit_at_end and not self._stop.wait(IDLE):
            self._announcer.restore()


def _with_next(cuts: Iterator[Cut]) -> Iterator[tuple[Cut, Cut | None]]:
    """Each tick with the one after it, which the clock must not run past."""
    current = next(cuts, None)
    while current is not None:
        following = next(cuts, None)
        yield current, following
        current = following
