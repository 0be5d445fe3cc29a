"""Quotes through the executor while nothing triggers, against the same messages merely decoded."""

import threading
import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import redis
from msgspec import Struct

from infrastructure.redis.channels import QUOTE_UPDATES
from infrastructure.redis.quotes import PROGRESS, TickNumber
from infrastructure.settings import Settings
from tests.bench.bare import CHANNEL, REACHED
from tests.bench.figures import in_turns, median
from tests.bench.market import Market
from tests.bench.plan import QUICK, ROUNDS, Path, Row
from tests.bench.servers import Bench, until
from tests.bench.stories import SYMBOLS, Story

ORDERS = 20_000 if QUICK else 100_000
TICKS = 6_000 if QUICK else 15_000
QUOTES_A_TICK = 20


class Turn(Struct, frozen=True):
    """Quotes a second, and who worked how much."""

    rate: float
    cpu: dict[str, float]


def measure(bench: Bench) -> list[Row]:
    """Each turn publishes the same number of ticks at once and waits until the last is worked off."""
    settings = bench.settings()
    _resting_orders(settings)
    market = Market(bench.redis.url)
    market.publish(dict.fromkeys(SYMBOLS, Decimal("100.00")))
    role = bench.role("executor", settings)
    bare = bench.python("tests.bench.bare", "listen", bench.redis.url)
    client = redis.Redis.from_url(bench.redis.url)
    until(lambda: client.exists(PROGRESS) and client.exists(REACHED), "both listen", within=120)
    ours, ceiling = in_turns(
        ROUNDS,
        lambda: _turn(bench, market, client, QUOTE_UPDATES, PROGRESS, role.pid),
        lambda: _turn(bench, market, client, CHANNEL, REACHED, bare.pid),
    )
    market.close()
    _require_nothing_traded(settings)
    rate, top = median([turn.rate for turn in ours]), median([turn.rate for turn in ceiling])
    return [
        Row(
            path=PATH.name,
            unit="quotes/s",
            ours=rate,
            ceiling=top,
            ratio=rate / top,
            target=PATH.target,
            met=rate / top >= 0.5,
            cpu=ours[-1].cpu,
            note=f"{ORDERS:,} resting orders on {len(SYMBOLS):,} symbols, ticks of {QUOTES_A_TICK} quotes, "
            f"{rate / QUOTES_A_TICK:,.0f} ticks/s",
        )
    ]


def _turn(bench: Bench, market: Market, client: Any, channel: str, progress: str, pid: int) -> Turn:
    """Publish ticks, numbered on from the last that this listener saw, as fast as Redis takes them."""
    payloads = _payloads(market, client, progress)
    last = msgspec.json.decode(payloads[-1])["number"]
    meter = bench.meter(server=pid, redis=bench.redis.pid or 0)
    began = time.monotonic()
    publisher = threading.Thread(target=_publish, args=(client, channel, payloads))
    publisher.start()
    until(lambda: _reached(client, progress) >= last, f"{progress} stands at {last}", every=0.002)
    seconds = time.monotonic() - began
    publisher.join()
    return Turn(TICKS * QUOTES_A_TICK / seconds, meter.percent())


def _payloads(market: Market, client: Any, progress: str) -> list[bytes]:
    market.number = _reached(client, progress)
    payloads = []
    for number in range(TICKS):
        at = number * QUOTES_A_TICK % len(SYMBOLS)
        symbols = SYMBOLS[at : at + QUOTES_A_TICK]
        payloads.append(market.payload(market.tick(dict.fromkeys(symbols, Decimal("100.00") + number % 7))))
    return payloads


def _publish(client: Any, channel: str, payloads: list[bytes]) -> None:
    for start in range(0, len(payloads), 100):
        pipeline = client.pipeline(transaction=False)
        for payload in payloads[start : start + 100]:
            pipeline.publish(channel, payload)
        pipeline.execute()


def _reached(client: Any, key: str) -> int:
    found = client.get(key)
    return 0 if found is None else msgspec.json.decode(found, type=TickNumber).number


def _resting_orders(settings: Settings) -> None:
    """Accepted buys far below the market, a hundred orders a symbol."""
    with Story(settings.database_url or "") as story:
        accounts = [uuid4() for _ in range(1_000)]
        for account_id in accounts:
            story.open(account_id)
        for number in range(ORDERS):
            account_id = accounts[number % 1_000]
            symbol = SYMBOLS[(number + number // 1_000) % len(SYMBOLS)]
            story.accept(account_id, story.place(account_id, symbol, price="10.00"))


def _require_nothing_traded(settings: Settings) -> None:
    with Story(settings.database_url or "") as story:
        assert story.position == 2_000 + 3 * ORDERS, f"the log grew to {story.position}"


PATH = Path(
    name="executor",
    what="Quotes a second that the executor role takes in from Redis, with resting orders on 1,000 symbols of which none "
    "triggers: ticks are published at once, until the executor says that the last is worked off.",
    ceiling="A process that subscribes in the same way, decodes the same ticks and does nothing with them.",
    target="≥ 0.5",
    measure=measure,
)
