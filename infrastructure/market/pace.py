"""How long the wall takes from one tick of a replay to the next, and who else is waited for."""

import threading
import time

import structlog

from infrastructure.market.announcer import Announcer
from infrastructure.market.ticks import Cut
from infrastructure.settings import SettingIsWrong, Settings

CLOSED_AT_MOST = 1.0  # wall seconds that closed hours between two ticks take
LATE_AT_MOST = 0.25  # wall seconds a replay tries to make up for; beyond, it goes on from now
AHEAD_AT_MOST = 20  # ticks before the executor, at speed "max"
EXECUTOR_STUCK = 5.0  # wall seconds without progress after which the replay goes on, a tick at a time
LOOK_AGAIN = 0.002

log = structlog.get_logger()


def market_speed(settings: Settings) -> float | None:
    """Market seconds a wall second; None for "max". Raises SettingIsWrong."""
    if settings.market_speed == "max":
        return None
    try:
        speed = float(settings.market_speed)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise SettingIsWrong(
            f'DAYBOOK_MARKET_SPEED must be a number above 0 or "max", not {settings.market_speed!r}'
        )
    return speed


def seconds_between(cut: Cut, following: Cut | None) -> float:
    """Market seconds from one tick to the next."""
    return 0.0 if following is None else (following.at - cut.at).total_seconds()


class Pace:
    """Holds a replay to `speed` market seconds a wall second; to the executor's speed when it is None."""

    def __init__(self, speed: float | None, *, announcer: Announcer, stop: threading.Event) -> None:
        self._speed = speed
        self._announcer = announcer
        self._stop = stop
        self._due = time.monotonic()

    def wall_seconds(self, cut: Cut, following: Cut | None) -> float:
        """How long the wall takes from one tick to the next."""
        if self._speed is None:
            return 0.0
        seconds = seconds_between(cut, following) / self._speed
        if cut.session.is_open and (following is None or not following.after_the_end):
            return seconds
        return min(seconds, CLOSED_AT_MOST)

    def wait(self) -> bool:
        """Wait until the next tick may go out. False when `stop` came first."""
        if self._speed is None:
            self._wait_for_executor()
        return not self._stop.wait(max(0.0, self._due - time.monotonic()))

    def went_out(self, cut: Cut, following: Cut | None) -> None:
        """A tick went out; the next one is due so much later."""
        self._due = max(self._due, time.monotonic() - LATE_AT_MOST) + self.wall_seconds(cut, following)

    def _wait_for_executor(self) -> None:
        seen, patient_until = None, 0.0
        while not self._stop.is_set():
            progress = self._announcer.executor_progress()
            if progress is None:
                return
            done = progress.number if progress.run == self._announcer.run else 0
            if self._announcer.number - done < AHEAD_AT_MOST:
                return
            if progress != seen:
                seen, patient_until = progress, time.monotonic() + EXECUTOR_STUCK
            elif time.monotonic() > patient_until:
                # It may have missed the ticks it is waited for; another one lets it notice.
                log.warning("the executor stands still", tick=self._announcer.number, executor=done)
                return
            self._stop.wait(LOOK_AGAIN)
