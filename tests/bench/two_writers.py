"""Two processes that commit on one log, against one."""

import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from uuid import UUID, uuid4

from infrastructure.postgres.connections import connect
from tests.bench.feeding import Feeder, placements
from tests.bench.figures import in_turns, median
from tests.bench.plan import ACCOUNTS, QUICK, ROUNDS, Path, Row
from tests.bench.servers import Bench
from tests.bench.stories import Story

S = 1.5 if QUICK else 4.0
READY_WITHIN_S = 120.0
MOST_A_SECOND = 30_000
WARM = 1_000


def measure(bench: Bench) -> list[Row]:
    """Two writers and one in turns, all on the same accounts, each turn in a fresh database."""
    counted = [0, 0]
    ours, ceiling = in_turns(ROUNDS, lambda: _writers(bench, 2, counted), lambda: _writers(bench, 1, counted))
    rate, top = median(ours), median(ceiling)
    return [
        Row(
            path=PATH.name,
            unit="commands/s",
            ours=rate,
            ceiling=top,
            ratio=rate / top,
            target=PATH.target,
            met=rate / top >= 0.9 and not counted[1],
            note=f"{counted[0]:,} commands in all, {counted[1]} errors; the log holds exactly these",
        )
    ]


def _writers(bench: Bench, number: int, counted: list[int]) -> float:
    url, _ = bench.database()
    accounts = [uuid4() for _ in range(ACCOUNTS)]
    with Story(url) as story:
        for account_id in accounts:
            story.open(account_id)
    bench.settle()
    context = multiprocessing.get_context("spawn")
    with context.Pool(number, initializer=_share, initargs=(context.Barrier(number),)) as pool:
        found = pool.starmap(_write, [(url, accounts)] * number, chunksize=1)
    commands, errors = sum(each[0] for each in found), sum(each[1] for each in found)
    counted[0] += commands + WARM * number
    counted[1] += errors
    _require(url, commands + WARM * number - errors)
    return commands / max(each[2] for each in found)


_shared: list[Barrier] = []


def _share(barrier: Barrier) -> None:
    _shared.append(barrier)


def _write(url: str, accounts: list[UUID]) -> tuple[int, int, float]:
    """One writer: commands, errors, seconds. All begin at once, and take no more commands after some seconds."""
    feeder = Feeder(url)
    requests = placements(accounts, int(MOST_A_SECOND * S) + WARM)
    feeder.feed(requests[:WARM])
    _shared[0].wait(READY_WITHIN_S)
    fed = feeder.feed(requests[WARM:], until=time.time() + S)
    feeder.stop()
    return fed.commands, fed.errors, fed.seconds


def _require(url: str, orders: int) -> None:
    with connect(url, application="bench count") as connection:
        row = connection.execute("SELECT count(*) FROM stored_events WHERE topic = 'Order.Placed'").fetchone()
    assert row is not None
    assert row[0] == orders, f"{orders} acknowledged, {row[0]} in the log"


PATH = Path(
    name="two-writers",
    what="Two processes, each with a committer of its own, place orders of the same accounts on one log at once: "
    "each learns what the other wrote. Commands a second of both together.",
    ceiling="One such process.",
    target="≥ 0.9, no error",
    measure=measure,
)
