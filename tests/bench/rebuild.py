"""Rebuilding all read tables from a long log, beside a bare scan that only reads and decodes it."""

import os
from collections.abc import Callable, Sequence
from functools import partial

from projections.catalogue import PROJECTIONS
from tests.bench.plan import QUICK, Path, Row
from tests.bench.servers import Bench
from tests.soak.rebuild_speed import Speed
from tests.soak.rebuild_speed import measure as rebuilt

EVENTS = 50_000 if QUICK else 500_000
MANY = [
    int(size)
    for size in (
        os.environ.get("REBUILD_EVENTS") or ("100000,200000" if QUICK else "1000000,10000000")
    ).split(",")
]
PARALLEL = (1, 2)


def measure(bench: Bench, *, sizes: Sequence[int], name: str) -> Sequence[Row]:
    """A row for each size and number of processes. Not in a pool's process: those may not start others."""
    rows = []
    for events in sizes:
        url, _ = bench.database()  # in one that has tables already, a rebuild ends where they stand
        found = rebuilt(url, events, parallel=PARALLEL)
        assert not any(speed.differences for speed in found), found
        of = name if events == EVENTS else f"{name}:{events:,}"
        rows += [_row(f"{of}:parallel-{speed.parallel}", speed) for speed in found]
    return rows


def _row(path: str, speed: Speed) -> Row:
    scanned = speed.events / speed.scan_s
    return Row(
        path=path,
        unit="events/s",
        ours=speed.rate,
        ceiling=scanned,
        ratio=speed.rate / scanned,
        target=TARGET,
        met=True,
        note=f"{speed.events:,} events into {len(PROJECTIONS)} tables in {speed.rebuild_s:.1f} s, of which rows are compared "
        f"with the tables before when there are any; the scan took {speed.scan_s:.1f} s",
    )


TARGET = "told, not judged"


def _path(name: str, sizes: Sequence[int], *, by_default: bool) -> Path:
    work: Callable[[Bench], Sequence[Row]] = partial(measure, sizes=sizes, name=name)
    events = " and ".join(f"{size:,}" for size in sizes)
    return Path(
        name=name,
        what=f"All projections are rebuilt from {events} events, indexes, comparison and swap included, by one process and by two.",
        ceiling="One process that reads the same events in the same chunks and decodes them, and does nothing else.",
        target=TARGET,
        measure=work,
        by_default=by_default,
    )


PATH = _path("rebuild", [EVENTS], by_default=True)
LONG = _path("rebuild-long", MANY, by_default=False)
