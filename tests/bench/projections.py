"""Catching up all read tables against a bare scan of the same events."""

import os
import threading
import time
from uuid import uuid4

from infrastructure.eventstore.log import read_after
from infrastructure.memory import keep_what_is_here
from infrastructure.postgres.connections import connect
from infrastructure.projecting.folding import facts_of
from infrastructure.projecting.runner import BATCH, Projector
from projections.catalogue import PROJECTIONS
from tests.bench.cpu import Meter
from tests.bench.figures import median
from tests.bench.plan import QUICK, Path, Row
from tests.bench.servers import Bench, aside
from tests.bench.stories import Story, trade

EVENTS = 100_000 if QUICK else 600_000
ACCOUNTS = 500
SLICES = 4


def measure(bench: Bench) -> list[Row]:
    """The log grows by a slice, which is then caught up with and scanned, in turns."""
    url, _ = bench.database()
    accounts = [uuid4() for _ in range(ACCOUNTS)]
    ours, ceiling, cpu = [], [], {}
    with Story(url) as story:
        for account_id in accounts:
            story.open(account_id)
        trading = trade(story, accounts)
        for number in range(1, SLICES + 1):
            before = story.position if number > 1 else 0
            while story.position < EVENTS * number // SLICES:
                next(trading)
            story.flush()
            bench.settle()
            rate, cpu = aside(_catch_up, url, story.position - before, bench.postgres.pid)
            ours.append(rate)
            ceiling.append(aside(_scan, url, before, story.position - before))
    _require_all(url)
    rate, top = median(ours), median(ceiling)
    return [
        Row(
            path=PATH.name,
            unit="events/s",
            ours=rate,
            ceiling=top,
            ratio=rate / top,
            target=PATH.target,
            met=rate / top >= 0.25,
            cpu=cpu,
            note=f"{story.position:,} events of {ACCOUNTS} accounts in {SLICES} slices, into {len(PROJECTIONS)} tables; "
            f"by slice {', '.join(f'{each:,.0f}' for each in ours)}",
        )
    ]


def _catch_up(url: str, events: int, postgres: int) -> tuple[float, dict[str, float]]:
    meter = Meter({"server": os.getpid()}, {"postgres": postgres})
    began = time.monotonic()
    keep_what_is_here()  # as the role does
    Projector(url, PROJECTIONS, wake=threading.Event()).catch_up()
    return events / (time.monotonic() - began), meter.percent()


def _scan(url: str, position: int, events: int) -> float:
    seen = 0
    with connect(url, application="bench scan") as connection:
        began = time.monotonic()
        while rows := read_after(connection, position, limit=BATCH):
            seen += len(facts_of(rows))
            position = rows[-1].log_position
        seconds = time.monotonic() - began
    assert seen == events, f"{seen} of {events} events"
    return events / seconds


def _require_all(url: str) -> None:
    """Every projection stands at the log's end, and the audit has a row an event."""
    with connect(url, application="bench count") as connection:
        row = connection.execute(
            "SELECT (SELECT max(notification_id) FROM stored_events), (SELECT min(position) FROM projections),"
            " (SELECT count(*) FROM read.audit)"
        ).fetchone()
    assert row is not None
    assert row[0] == row[1] == row[2], row


PATH = Path(
    name="projections",
    what=f"The projector catches up with {EVENTS:,} events of {ACCOUNTS} accounts, from nothing, into all read tables, "
    "rows and position in one transaction a batch.",
    ceiling="A bare scan that reads the same events in the same batches and decodes them, and does nothing else.",
    target="≥ 0.25",
    measure=measure,
)
