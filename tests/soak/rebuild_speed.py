"""How fast all projections are rebuilt, beside a bare scan that only reads and decodes the log.

python -m tests.soak.rebuild_speed URL 1000000
"""

import sys
import time
from collections.abc import Sequence

from msgspec import Struct

from infrastructure.postgres.connections import connect
from infrastructure.projecting.operating import rebuild_all
from infrastructure.projecting.rebuild.reading import read_between
from infrastructure.projecting.standing import standings
from tests.soak.rebuild_log import lengthen

CHUNK = 20_000


class Speed(Struct, frozen=True, kw_only=True):
    """A rebuild of all projections. `ratio` is its time over that of the scan; `differences` must be 0."""

    events: int
    parallel: int
    scan_s: float
    rebuild_s: float
    ratio: float
    differences: int

    @property
    def rate(self) -> float:
        """Events a second, each folded into every projection."""
        return self.events / self.rebuild_s


def scan(url: str, events: int) -> float:
    """Seconds that reading and decoding the log take in one process, and nothing else."""
    began = time.perf_counter()
    with connect(url, application="bare scan") as connection:
        for after in range(0, events, CHUNK):
            for row in read_between(connection, after, min(after + CHUNK, events)):
                row.event()
    return time.perf_counter() - began


def measure(
    url: str, events: int, *, parallel: Sequence[int] = (1, 2), names: Sequence[str] = ()
) -> list[Speed]:
    """Make the log as long as that and rebuild, once for each number of processes."""
    end = lengthen(url, events)
    found = []
    for processes in parallel:
        scanned = scan(url, end)
        began = time.perf_counter()
        results = rebuild_all(url, names, parallel=processes, fresh=True)
        took = time.perf_counter() - began
        _require_all(url, end)
        found.append(
            Speed(
                events=end,
                parallel=processes,
                scan_s=round(scanned, 2),
                rebuild_s=round(took, 2),
                ratio=round(took / scanned, 2),
                differences=sum(result.differences for result in results),
            )
        )
    return found


def _require_all(url: str, end: int) -> None:
    with connect(url, application="rebuild speed") as connection:
        behind = {name: one.position for name, one in standings(connection).items() if one.position != end}
    assert not behind, f"of {end} events these have fewer: {behind}"


if __name__ == "__main__":
    for speed in measure(sys.argv[1], int(sys.argv[2])):
        sys.stdout.write(f"{speed} {speed.rate:,.0f} events/s\n")
