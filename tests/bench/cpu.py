"""How much processor time processes use, from /proc."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Processor seconds of one process so far; 0 when it is gone."""
    return sum(_times(pid)[:2])


def seconds_of_family(pid: int) -> float:
    """The same with its direct children, also those that have ended: PostgreSQL is one process a connection."""
    return sum(_times(pid)) + sum(seconds_of(child) for child in _children(pid))


def rss_mb(pid: int) -> float:
    """Megabytes of memory that a process holds."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Meter:
    """Measures named processes over a while: `percent()` since it was made, of one core."""

    def __init__(self, alone: Mapping[str, int], families: Mapping[str, int]) -> None:
        self._alone = alone
        self._families = families
        self._began = time.monotonic()
        self._before = self._read()

    def percent(self) -> dict[str, float]:
        """By name."""
        passed = time.monotonic() - self._began
        return {
            name: round(100 * (now - self._before[name]) / passed, 1) for name, now in self._read().items()
        }

    def _read(self) -> dict[str, float]:
        found = {name: seconds_of(pid) for name, pid in self._alone.items()}
        return found | {name: seconds_of_family(pid) for name, pid in self._families.items()}


def _times(pid: int) -> tuple[float, float, float, float]:
    """User and system time, and the same of children that were waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return (0.0, 0.0, 0.0, 0.0)
    user, system, children_user, children_system = (int(field) / _TICKS for field in fields[11:15])
    return user, system, children_user, children_system


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
