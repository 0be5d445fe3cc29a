"""Commands through the committer against raw COPY of the very rows they made."""

import os
import time
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID, uuid4

from msgspec import Struct

from infrastructure.eventstore.log import COLUMNS
from infrastructure.postgres.connections import connect
from tests.bench.cpu import Meter
from tests.bench.feeding import Fed, Feeder, purchases
from tests.bench.figures import median
from tests.bench.plan import ACCOUNTS, QUICK, ROUNDS, Path, Row
from tests.bench.servers import Bench, aside
from tests.bench.stories import Story

ORDERS = 6_000 if QUICK else 20_000
WARM = 2_000
EVENTS_A_PAIR = 5

_OUT = f"COPY (SELECT {COLUMNS} FROM stored_events WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id) TO STDOUT (FORMAT BINARY)"
_IN = f"COPY stored_events ({COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()


class Run(Struct, frozen=True):
    """One turn: events a second, and how long one transaction took."""

    rate: float
    batch: float
    cpu: dict[str, float] = {}


def measure(bench: Bench) -> list[Row]:
    """Each turn in a fresh database; the ceiling copies what the turn before it wrote."""
    ours, ceiling = [], []
    for _ in range(ROUNDS):
        url, _ = bench.database()
        run, chunks = _ours(bench, url)
        ours.append(run)
        ceiling.append(_copy(bench, chunks))
    batch = median([run.batch for run in ours])
    rate, top = median([run.rate for run in ours]), median(ceiling)
    return [
        Row(
            path=PATH.name,
            unit="events/s",
            ours=rate,
            ceiling=top,
            ratio=rate / top,
            target=PATH.target,
            met=rate / top >= 0.30,
            cpu=ours[-1].cpu,
            note=f"{batch:.0f} events a transaction, the same for both; {rate / 2.5:,.0f} commands/s",
        )
    ]


def _ours(bench: Bench, url: str) -> tuple[Run, list[bytes]]:
    """The product's turn, in a process of its own; then the rows of its batches, as COPY gives them out."""
    accounts = [uuid4() for _ in range(ACCOUNTS)]
    with Story(url) as story:
        for account_id in accounts:
            story.open(account_id)
    bench.settle()
    first, fed, cpu = aside(_feed, url, accounts, bench.postgres.pid)
    events = fed.batches[-1] - first
    assert not fed.errors, f"{fed.errors} commands failed"
    assert events == ORDERS * EVENTS_A_PAIR, f"{events} events"
    return Run(events / fed.seconds, events / len(fed.batches), cpu), _chunks(url, [first, *fed.batches])


def _feed(url: str, accounts: Sequence[UUID], postgres: int) -> tuple[int, Fed, dict[str, float]]:
    feeder = Feeder(url)
    requests = purchases(accounts, WARM + ORDERS)
    feeder.feed(requests[: 2 * WARM])
    first = feeder.committer.log_position
    meter = Meter({"server": os.getpid()}, {"postgres": postgres})
    fed = feeder.feed(requests[2 * WARM :])
    cpu = meter.percent()
    feeder.stop()
    return first, fed, cpu


def _chunks(url: str, ends: list[int]) -> list[bytes]:
    with connect(url, application="bench copy out") as connection, connection.cursor() as cursor:
        found = []
        for after, upto in pairwise(ends):
            with cursor.copy(_OUT.encode(), (after, upto)) as copy:
                found.append(b"".join(bytes(part) for part in copy))
    return found


def _copy(bench: Bench, chunks: list[bytes]) -> float:
    """The ceiling's turn: one COPY and one commit a batch, into a fresh table with the same indexes and triggers."""
    url, _ = bench.database()
    bench.settle()
    with connect(url, application="bench copy in") as connection, connection.cursor() as cursor:
        began = time.monotonic()
        for chunk in chunks:
            with cursor.copy(_IN) as copy:
                copy.write(chunk)
        seconds = time.monotonic() - began
        row = connection.execute("SELECT count(*) FROM stored_events").fetchone()
    assert row is not None
    assert row[0] == ORDERS * EVENTS_A_PAIR
    return row[0] / seconds


PATH = Path(
    name="commands",
    what="Commands given to the committer in process: a limit buy is placed, then executed; account, order and "
    f"position get five events together. {ACCOUNTS:,} accounts, batches always full.",
    ceiling="Binary COPY of the very same rows, made beforehand, in the same batches, one commit each, into a fresh "
    "table with the same indexes and triggers. Nothing is decided or encoded.",
    target="≥ 0.30",
    measure=measure,
)
