"""Whether anything slows down as the log and the number of customers grow."""

import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path as File
from uuid import UUID, uuid4

from msgspec import Struct

from infrastructure.postgres.connections import pool
from infrastructure.reading import History
from tests.bench import svg
from tests.bench.client import Call
from tests.bench.customers import order_calls
from tests.bench.feeding import Feeder, purchases
from tests.bench.figures import median, percentiles
from tests.bench.load import Load
from tests.bench.orders import Desk
from tests.bench.plan import ACCOUNTS, QUICK, ROUNDS, SECONDS, Path, Row
from tests.bench.servers import Bench, aside
from tests.bench.stories import Story, trade

SIZES = [
    int(size)
    for size in os.environ.get(
        "GROWTH_EVENTS", "20000,100000,400000" if QUICK else "100000,1000000,10000000"
    ).split(",")
]
"""Events in the log. Everything is compared with the first."""

CUSTOMERS = [ACCOUNTS, 10 * ACCOUNTS] if QUICK else [ACCOUNTS, 10 * ACCOUNTS, 100 * ACCOUNTS]
EVENTS_AN_ACCOUNT = 200
AT_ONCE = 250
ORDERS = 4_000
QUESTIONS = 200
LOG_CURVE, CUSTOMERS_CURVE = (
    File("docs/benchmarks-growth-log.svg"),
    File("docs/benchmarks-growth-customers.svg"),
)


class Size(Struct, frozen=True):
    """What was measured at one size of the log."""

    events: int
    insert_rate: float
    as_of_ms: tuple[float, float, float]


def measure(bench: Bench) -> list[Row]:
    """First the log, then the customers."""
    return [*_log_rows(_sizes(bench)), _customers_row(bench)]


# The log.


def _sizes(bench: Bench) -> list[Size]:
    url, _ = bench.database()
    accounts: list[UUID] = []
    found = []
    for size in SIZES:
        _grow(url, accounts, size)
        bench.settle()
        as_of = percentiles(aside(_as_of, url, random.sample(accounts, QUESTIONS)))
        rate = median([aside(_insert, url, _fresh(url)) for _ in range(ROUNDS)])
        found.append(Size(size, rate, as_of))
    return found


def _grow(url: str, accounts: list[UUID], size: int) -> None:
    """Whole groups of accounts with two hundred events each, until the log is at least so long."""
    with Story(url) as story:
        while story.position < size:
            new = [uuid4() for _ in range(AT_ONCE)]
            for account_id in new:
                story.open(account_id)
            trading = trade(story, new)
            end = story.position + EVENTS_AN_ACCOUNT * AT_ONCE
            while story.position < end:
                next(trading)
            story.forget()
            accounts += new


def _fresh(url: str) -> list[UUID]:
    """Accounts to write to, so that those that are asked about keep their length."""
    new = [uuid4() for _ in range(AT_ONCE)]
    with Story(url) as story:
        for account_id in new:
            story.open(account_id)
    return new


def _insert(url: str, accounts: list[UUID]) -> float:
    """Events a second through the committer."""
    feeder = Feeder(url)
    fed = feeder.feed(purchases(accounts, ORDERS))
    feeder.stop()
    assert not fed.errors
    return 5 * ORDERS / fed.seconds


def _as_of(url: str, accounts: list[UUID]) -> list[float]:
    """Milliseconds of one question each about how an account stood at a moment."""
    found = []
    connections = pool(url, application="bench as-of", size=1)
    connections.open()
    history = History(connections, lambda: datetime.now(UTC))
    for account_id in accounts:
        at = datetime.now(UTC)
        began = time.perf_counter()
        assert history.as_of_now(account_id, None, at).events >= 0.9 * EVENTS_AN_ACCOUNT
        found.append((time.perf_counter() - began) * 1000)
    connections.close()
    return found


def _log_rows(sizes: list[Size]) -> list[Row]:
    first, last = sizes[0], sizes[-1]
    rates = [(float(size.events), size.insert_rate) for size in sizes]
    p50s = [(float(size.events), size.as_of_ms[0]) for size in sizes]
    p99s = [(float(size.events), size.as_of_ms[2]) for size in sizes]
    title = "Events written a second"
    svg.write(
        LOG_CURVE,
        [
            svg.Panel(title=title, x="events in the log", lines={"committer": rates}, log_x=True),
            svg.Panel(
                title="As-of question, ms",
                x="events in the log",
                lines={"p99": p99s, "p50": p50s},
                log_x=True,
            ),
        ],
    )
    speed, slower = last.insert_rate / first.insert_rate, last.as_of_ms[0] / first.as_of_ms[0]
    curve = ", ".join(f"{size.events:,}: {size.insert_rate:,.0f}" for size in sizes)
    times = ", ".join(
        f"{size.events:,}: p50 {size.as_of_ms[0]:.1f} p99 {size.as_of_ms[2]:.1f}" for size in sizes
    )
    return [
        _row("growth:insert", "events/s", last.insert_rate, first.insert_rate, speed, speed >= 2 / 3, curve),
        _row("growth:as-of", "ms (p50)", last.as_of_ms[0], first.as_of_ms[0], slower, slower <= 3 / 2, times),
    ]


# The customers.


def _customers_row(bench: Bench) -> Row:
    rates = []
    for number in CUSTOMERS:
        load = Load()
        desk = Desk(bench, load, accounts=number)
        calls = order_calls(desk.customers)
        rates.append(median([desk.order(_from(calls, turn), seconds=SECONDS).rate for turn in range(ROUNDS)]))
        desk.require_exactly_acknowledged(ROUNDS)
        load.close()
        bench.stop_processes()
    points = [(float(number), rate) for number, rate in zip(CUSTOMERS, rates, strict=True)]
    svg.write(
        CUSTOMERS_CURVE,
        [svg.Panel(title="Orders a second over HTTP", x="customers", lines={"orders": points}, log_x=True)],
    )
    curve = ", ".join(f"{number:,.0f}: {rate:,.0f}" for number, rate in points)
    ratio = rates[-1] / rates[0]
    return _row("growth:customers", "orders/s", rates[-1], rates[0], ratio, ratio >= 2 / 3, curve)


def _from(calls: list[Call], turn: int) -> list[Call]:
    """All calls, each round beginning elsewhere: of many customers none has been there before."""
    first = turn * len(calls) // ROUNDS
    return calls[first:] + calls[:first]


def _row(path: str, unit: str, ours: float, first: float, ratio: float, met: bool, note: str) -> Row:
    return Row(
        path=path, unit=unit, ours=ours, ceiling=first, ratio=ratio, target=PATH.target, met=met, note=note
    )


PATH = Path(
    name="growth",
    what=f"The largest log and the most customers against the smallest: events written a second by a committer, "
    f"as-of questions about an account of {EVENTS_AN_ACCOUNT} events, orders over HTTP.",
    ceiling="The same at the smallest size.",
    target="falls by at most a third",
    measure=measure,
    by_default=False,
    pictures=(LOG_CURVE.name, CUSTOMERS_CURVE.name),
)
