"""What a rebuild says while it works, and what it has done."""

import time

from msgspec import Struct


class Report(Struct, frozen=True, kw_only=True):
    """How far the rebuild of a projection has come.

    `phase` is waiting, folding, paused, indexing, comparing, swapping, done or failed. `rate` is in events a second, and
    `eta_s` what folding will still take at that rate.
    """

    projection: str
    phase: str
    position: int
    end: int
    rate: float | None = None
    eta_s: float | None = None


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a rebuild did. `differences` counts rows that are in one table only, or not the same.

    `columns` are those that were compared, `examples` the keys of some rows that differ. So many accounts were
    `left_out` of the comparison, parked in one of the tables. With a `failure` nothing was swapped: the table that was live still is.
    """

    projection: str
    events: int
    rows: int
    differences: int
    compared: bool
    seconds: float
    columns: list[str] = []
    examples: list[str] = []
    left_out: int = 0
    failure: str | None = None


class Pace:
    """Rate and time left, from positions as they are reported: of the last half minute or so."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}
        self._rates: dict[str, float] = {}

    def report(self, name: str, phase: str, position: int, end: int) -> Report:
        """A report with rate and time left."""
        rate = self._rate(name, position) if phase == "folding" else self._rates.get(name)
        left = (end - position) / rate if rate and phase == "folding" else None
        return Report(
            projection=name,
            phase=phase,
            position=position,
            end=end,
            rate=None if rate is None else round(rate, 1),
            eta_s=None if left is None else round(left, 1),
        )

    def _rate(self, name: str, position: int) -> float | None:
        now = time.monotonic()
        then, was = self._seen.setdefault(name, (now, position))
        passed = now - then
        if passed >= 0.5:
            rate = (position - was) / passed
            before = self._rates.get(name, rate)
            weight = min(1.0, passed / 10)
            self._rates[name] = before + weight * (rate - before)
            self._seen[name] = (now, position)
        return self._rates.get(name)
