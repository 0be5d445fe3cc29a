"""From a quote's publication to the commit of the fill it causes."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

import msgspec
import redis
from msgspec import Struct

from infrastructure.postgres.connections import connect
from infrastructure.redis.channels import LOG_APPENDED, Subscription
from infrastructure.redis.quotes import PROGRESS
from infrastructure.redis.wakeups import decode_appended
from infrastructure.settings import Settings
from tests.bench.bare import CHANNEL, COMMITTED, REACHED
from tests.bench.figures import in_turns, percentiles
from tests.bench.market import Market
from tests.bench.plan import QUICK, ROUNDS, Path, Row
from tests.bench.servers import Bench, until
from tests.bench.stories import SYMBOLS, Story

QUOTES_A_SECOND, FILLS_A_SECOND = 1_000, 20
TICKS_A_SECOND = 50
FILLS = 60 if QUICK else 160
HIGH, LOW, LIMIT = Decimal("100.00"), Decimal("90.00"), "91.00"

Key = UUID | int


class Heard(threading.Thread):
    """Notes when each commit was told of: by order for ours, by the quote's sequence for the ceiling."""

    def __init__(self, redis_url: str, channel: str, keys: Callable[[bytes], list[Key]]) -> None:
        super().__init__(daemon=True)
        self._subscription = Subscription(redis_url, [channel])
        self._keys = keys
        self._stopping = False
        self.at: dict[Key, float] = {}

    def run(self) -> None:
        """Listen."""
        while not self._stopping:
            message = self._subscription.get(timeout=0.2)
            now = time.perf_counter()
            for key in self._keys(message[1]) if message else ():
                self.at.setdefault(key, now)

    def stop(self) -> None:
        """End."""
        self._stopping = True
        self.join()
        self._subscription.close()


class Side(Struct):
    """One of the two that are compared: how it is published to, what it is expected to tell of."""

    heard: Heard
    publish: Callable[[dict[str, Decimal]], Any]
    key: Callable[[str, int], Key]
    market: Market


def measure(bench: Bench) -> list[Row]:
    """Both in turns, each filling orders of symbols that were not traded before."""
    settings = bench.settings()
    orders = _resting_orders(settings, count=FILLS * ROUNDS)
    ours, role = _ours(bench, settings, orders)
    bare = _bare(bench)
    fresh = {"ours": iter(SYMBOLS), "bare": iter(SYMBOLS)}
    meter = bench.meter(role, redis=bench.redis.pid or 0)
    found, ceiling = in_turns(ROUNDS, lambda: _turn(ours, fresh["ours"]), lambda: _turn(bare, fresh["bare"]))
    cpu = meter.percent()
    for side in (ours, bare):
        side.heard.stop()
        side.market.close()
    _require_each_filled_once(settings, orders)
    return [_row(list(chain(*found)), list(chain(*ceiling)), cpu)]


def _row(found: list[float], ceiling: list[float], cpu: dict[str, float]) -> Row:
    p50, p95, p99 = percentiles(found)
    bare = percentiles(ceiling)
    return Row(
        path=PATH.name,
        unit="ms (p99)",
        ours=p99,
        ceiling=bare[2],
        ratio=p99 / bare[2],
        target=PATH.target,
        met=p99 <= 50,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        cpu=cpu,
        note=f"{len(found)} fills; the ceiling's p50 {bare[0]:.1f}, p95 {bare[1]:.1f}, p99 {bare[2]:.1f} ms. "
        "CPU is of both turns",
    )


def _turn(side: Side, symbols: Any) -> list[float]:
    """Publish at a steady rate; milliseconds from each low offer to the commit it caused."""
    published: dict[Key, float] = {}
    ticks = FILLS * TICKS_A_SECOND // FILLS_A_SECOND
    due = time.perf_counter()
    for number in range(ticks):
        low = next(symbols) if number % 5 in (0, 2) else None
        asks = _asks(number, low)
        now = time.perf_counter()
        tick = side.publish(asks)
        if low is not None:
            published[side.key(low, tick.quotes[0].sequence)] = now
        due += 1 / TICKS_A_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
    until(lambda: published.keys() <= side.heard.at.keys(), "all fills were told of", within=10)
    return [(side.heard.at[key] - at) * 1000 for key, at in published.items()]


def _asks(number: int, low: str | None) -> dict[str, Decimal]:
    """Twenty quotes; the low offer, if any, comes first. What was low is never quoted high again: it has traded."""
    count = QUOTES_A_SECOND // TICKS_A_SECOND
    asks = {} if low is None else {low: LOW}
    for offset in range(count - len(asks)):
        asks[SYMBOLS[-1 - (number * count + offset) % 300]] = HIGH
    return asks


def _ours(bench: Bench, settings: Settings, orders: dict[str, UUID]) -> tuple[Side, int]:
    market = Market(bench.redis.url)
    market.publish(dict.fromkeys(SYMBOLS, HIGH))
    role = bench.role("executor", settings)
    heard = Heard(bench.redis.url, LOG_APPENDED, lambda payload: list(decode_appended(payload).orders or ()))
    heard.start()
    _wait_for(bench, PROGRESS)
    return Side(heard, market.publish, lambda symbol, _: orders[symbol], market), role.pid


def _bare(bench: Bench) -> Side:
    market, client = Market(bench.redis.url), redis.Redis.from_url(bench.redis.url)
    url, _ = bench.database()
    bench.python("tests.bench.bare", "fill", bench.redis.url, url)
    heard = Heard(bench.redis.url, COMMITTED, lambda payload: [msgspec.json.decode(payload)])
    heard.start()
    _wait_for(bench, REACHED)

    def publish(asks: dict[str, Decimal]) -> Any:
        tick = market.tick(asks)
        client.publish(CHANNEL, market.payload(tick))
        return tick

    return Side(heard, publish, lambda _, sequence: sequence, market)


def _wait_for(bench: Bench, key: str) -> None:
    with redis.Redis.from_url(bench.redis.url) as client:
        until(lambda: client.exists(key), f"{key} is there")


def _resting_orders(settings: Settings, *, count: int) -> dict[str, UUID]:
    """An accepted buy for each symbol that is going to be offered lower, and thousands that rest for ever."""
    with Story(settings.database_url or "") as story:
        account_id, found = uuid4(), {}
        story.open(account_id)
        for symbol in SYMBOLS[:count]:
            found[symbol] = story.place(account_id, symbol, price=LIMIT)
            story.accept(account_id, found[symbol])
        for number in range(10 * len(SYMBOLS)):
            symbol = SYMBOLS[number % len(SYMBOLS)]
            story.accept(account_id, story.place(account_id, symbol, price="10.00"))
    return found


def _require_each_filled_once(settings: Settings, orders: dict[str, UUID]) -> None:
    with connect(settings.database_url or "", application="bench count") as connection:
        rows = connection.execute(
            "SELECT originator_id, count(*) FROM stored_events WHERE topic = 'Order.Executed' GROUP BY 1"
        ).fetchall()
    assert dict.fromkeys(orders.values(), 1) == dict(rows), f"{len(rows)} orders were filled"


PATH = Path(
    name="quote-to-fill",
    what=f"{QUOTES_A_SECOND:,} quotes/s reach the executor role, {FILLS_A_SECOND} of them a second fill an order. From just "
    "before the quote's publication until the wake-up after the fill's commit is received. Each order is filled "
    "exactly once.",
    ceiling="A process that subscribes in the same way, decodes the same ticks and, for the same quotes, writes three "
    "rows of the same size under the log lock in one transaction.",
    target="p99 ≤ 50 ms",
    measure=measure,
)
