"""The first command on an account with a long history."""

import time
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID, uuid4

from msgspec import Struct

from application import commands as c
from application.requests import Request
from domain.account import Account
from infrastructure.eventstore.aggregates import load_aggregates
from infrastructure.eventstore.mapper import decode_event
from infrastructure.eventstore.snapshots import Snapshotter
from infrastructure.postgres.connections import connect
from tests.bench.feeding import Feeder
from tests.bench.figures import median, percentiles
from tests.bench.plan import QUICK, Path, Row
from tests.bench.servers import Bench, aside
from tests.bench.stories import SYMBOLS, Story, limit_order

EVENTS = 10_000
TIMES = 7 if QUICK else 15

_FETCH = "SELECT topic, state FROM stored_events WHERE originator_id = %s ORDER BY originator_version"


class Replay(Struct):
    """Seconds: everything, fetching alone, decoding and folding alone."""

    whole: float
    fetch: float
    fold: float


def measure(bench: Bench) -> list[Row]:
    """Without the snapshot, then with it."""
    url, _ = bench.database()
    account_id, others = _long_account(url), _others(url)
    bench.settle()
    replay = aside(_replay, url, account_id)
    without, warm = aside(_first_commands, url, account_id, others)
    taken = Snapshotter(url, every=1_000).take()
    assert taken == 1, f"{taken} snapshots"
    with_one, warm_too = aside(_first_commands, url, account_id, others)
    return [_replay_row(replay, without), _snapshot_row(with_one, warm + warm_too)]


def _snapshot_row(found: list[float], warm: list[float]) -> Row:
    p50, p95, p99 = percentiles(found)
    return Row(
        path="cold-start:snapshot",
        unit="ms",
        ours=p50,
        ceiling=median(warm),
        ratio=p50 / median(warm),
        target="≤ 5 ms",
        met=p50 <= 5,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        note="first command on the account of a committer that is otherwise warm, durable commit included; "
        "ceiling: the same command again",
    )


def _replay_row(replay: Replay, without: list[float]) -> Row:
    p50, p95, p99 = percentiles(without)
    rate, pure = EVENTS / replay.whole, EVENTS / replay.fold
    return Row(
        path="cold-start:replay",
        unit="events/s",
        ours=rate,
        ceiling=pure,
        ratio=rate / pure,
        target="≥ 500,000 events/s",
        met=rate >= 500_000,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        note=f"fetch, decode and fold; ceiling: decode and fold alone. Fetching is {replay.fetch / replay.whole:.0%} "
        f"({EVENTS / replay.fetch:,.0f} rows/s). The times are of a first command without snapshot",
    )


def _long_account(url: str) -> UUID:
    """An account stream of exactly 10,000 events: holds, releases, purchases, sales."""
    account_id = uuid4()
    with Story(url) as story:
        story.open(account_id)
        for number in range((EVENTS - 2) // 4):
            symbol = SYMBOLS[number % 20]
            story.fill(account_id, story.place(account_id, symbol), symbol)
            story.cancel(account_id, story.place(account_id, symbol))
        story.decide(c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=story_cash()))
        story.decide(c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=story_cash()))
    with connect(url, application="bench") as connection:
        row = connection.execute(
            "SELECT count(*) FROM stored_events WHERE originator_id = %s", (account_id,)
        ).fetchone()
    assert row == (EVENTS,), row
    return account_id


def story_cash() -> Decimal:
    """A dollar."""
    return Decimal("1.00")


def _others(url: str) -> list[UUID]:
    found = [uuid4() for _ in range(TIMES)]
    with Story(url) as story:
        for account_id in found:
            story.open(account_id)
    return found


def _first_commands(url: str, account_id: UUID, others: Sequence[UUID]) -> tuple[list[float], list[float]]:
    """Milliseconds of the first and of the second command on the account, each time with a new committer, whose
    connection and statements a command on another account has warmed up.
    """
    first, second = [], []
    for other in others:
        feeder = Feeder(url)
        _timed(feeder, other)
        _timed(feeder, other)
        first.append(_timed(feeder, account_id))
        second.append(_timed(feeder, account_id))
        feeder.stop()
    return first, second


def _timed(feeder: Feeder, account_id: UUID) -> float:
    request = Request.by_role("bench", limit_order(account_id, "AKA"))
    began = time.perf_counter()
    feeder.committer.submit(request).result(10)
    return (time.perf_counter() - began) * 1000


def _replay(url: str, account_id: UUID) -> Replay:
    """Medians over several times."""
    whole, fetch, fold = [], [], []
    with connect(url, application="bench replay") as connection:
        for _ in range(TIMES):
            began = time.perf_counter()
            load_aggregates(connection, [(Account, account_id)])
            whole.append(time.perf_counter() - began)
            began = time.perf_counter()
            rows = connection.execute(_FETCH, (account_id,), prepare=True).fetchall()
            fetch.append(time.perf_counter() - began)
            began = time.perf_counter()
            account = Account(id=account_id, account_id=account_id)
            for topic, state in rows:
                account.evolve(decode_event(topic, state))
            fold.append(time.perf_counter() - began)
    return Replay(median(whole), median(fetch), median(fold))


PATH = Path(
    name="cold-start",
    what="An account stream of 10,000 events (holds, releases, purchases). `replay`: loading it without a snapshot. "
    "`snapshot`: the first command on it with its snapshot, until it is durable.",
    ceiling="`replay`: decoding and folding the same rows, already fetched. `snapshot`: the same command once more, "
    "when the account is in memory.",
    target="≤ 5 ms with a snapshot, ≥ 500,000 events/s without",
    measure=measure,
)
