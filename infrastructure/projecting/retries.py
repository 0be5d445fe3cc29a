"""When projections that failed are tried again: soon at first, then a little later each time."""

import time
from collections.abc import Iterable

from msgspec import Struct

TRIES = 3
"""So often a batch is tried again before its poison is parked."""

RETRY_FIRST_S = 0.1
RETRY_MOST_S = 30.0


class Retry(Struct, frozen=True):
    """A projection failed so many times at a position, and is due again at a moment of the monotonic clock."""

    position: int
    tries: int
    at: float
    delay: float


class Retries:
    """Those that wait, by projection."""

    def __init__(self) -> None:
        self._waiting: dict[str, Retry] = {}

    def failed(self, name: str, position: int) -> Retry:
        """Note another failure. At another position it is the first one."""
        before = self._waiting.get(name)
        if before is None or before.position != position:
            tries, delay = 1, RETRY_FIRST_S
        else:
            tries, delay = before.tries + 1, min(before.delay * 2, RETRY_MOST_S)
        self._waiting[name] = Retry(position, tries, time.monotonic() + delay, delay)
        return self._waiting[name]

    def forget(self, name: str) -> None:
        """It went well."""
        self._waiting.pop(name, None)

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        return name not in self._waiting or self._waiting[name].at <= time.monotonic()

    def wait(self, names: Iterable[str]) -> bool:
        """Wait until the first of these is due that has tries left. Whether there is one."""
        waiting = [self._waiting[name] for name in names if name in self._waiting]
        due = [retry.at for retry in waiting if retry.tries <= TRIES]
        if due:
            time.sleep(max(0.0, min(due) - time.monotonic()))
        return bool(due)
