"""How long a customer's order takes to be seen in the read tables."""

import bisect
import threading
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from tests.bench.customers import customers, order_calls
from tests.bench.figures import percentiles
from tests.bench.load import Load
from tests.bench.market import Market
from tests.bench.orders import require_all
from tests.bench.plan import ACCOUNTS, CONNECTIONS, QUICK, Path, Row
from tests.bench.servers import Bench, until
from tests.bench.stories import SYMBOLS

RATE = 1_000.0
S = 4.0 if QUICK else 15.0
LOOK_S = 0.001
_ASK = Decimal("100.00")

_LOOK = (
    "SELECT (SELECT notification_id FROM stored_events ORDER BY notification_id DESC LIMIT 1),"
    " (SELECT min(position) FROM projections)"
)
_PLACED = (
    "SELECT notification_id, recorded_at FROM stored_events WHERE topic = 'Order.Placed' AND recorded_at > %s"
)


class Observer:
    """Looks every millisecond how far the log reaches, and how far all read tables do."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.log: list[tuple[int, float]] = []
        self.tables: list[tuple[int, float]] = []
        self.lags: list[float] = []

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no longer."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with connect(self._url, application="bench observer") as connection:
            while not self._stop.wait(LOOK_S):
                row = connection.execute(_LOOK, prepare=True).fetchone()
                now = time.time()
                assert row is not None
                _note(self.log, row[0], now)
                _note(self.tables, row[1], now)
                self.lags.append(float(row[0] - row[1]))


def measure(bench: Bench) -> list[Row]:
    """A steady thousand orders a second through api, projector and executor, with quotes arriving."""
    load, settings = Load(), bench.settings()
    found = customers(settings, ACCOUNTS)
    market = _Quoting(bench.redis.url)
    api = bench.api(settings)
    others = {name: bench.role(name, settings).pid for name in ("projector", "executor")}
    until(lambda: is_projected(settings), "the projector has caught up")
    bench.settle()
    observer, meter = Observer(settings.database_url or ""), bench.meter(api.pid, **others)
    observer.start()
    began = datetime.now().astimezone()
    outcome = load.run(
        settings.port, order_calls(found), seconds=S, rate=RATE, connections=CONNECTIONS, warm_s=2.0
    )
    cpu = {"client": outcome.client_cpu, **meter.percent()}
    until(lambda: is_projected(settings), "the projector has caught up")
    observer.stop()
    market.stop()
    load.close()
    require_all(outcome, 201)
    return [_row(settings, observer, began, cpu, outcome.rate), _lag_row(observer)]


def _row(settings: Settings, observer: Observer, began: datetime, cpu: dict[str, float], rate: float) -> Row:
    with connect(settings.database_url or "", application="bench") as connection:
        placed = connection.execute(_PLACED, (began,)).fetchall()
    lags = _lags(placed, observer.tables)
    p50, p95, p99 = percentiles(lags)
    in_log = percentiles(_lags(placed, observer.log))
    return Row(
        path=PATH.name,
        unit="ms (p99)",
        ours=p99,
        ceiling=in_log[2],
        ratio=p99 / in_log[2],
        target=PATH.target,
        met=p99 <= 100,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        cpu=cpu,
        note=f"{len(lags):,} orders at {rate:,.0f}/s; in the log itself after p50 {in_log[0]:.1f}, p95 {in_log[1]:.1f}, "
        f"p99 {in_log[2]:.1f} ms",
    )


def _lag_row(observer: Observer) -> Row:
    p50, p95, p99 = percentiles(observer.lags)
    return Row(
        path=f"{PATH.name}:lag",
        unit="events (p99)",
        ours=p99,
        ceiling=None,
        target="told, not judged",
        met=True,
        note=f"how far the hindmost read table was behind the log: p50 {p50:,.0f}, p95 {p95:,.0f}, p99 {p99:,.0f}, "
        f"at most {max(observer.lags):,.0f} events, in {len(observer.lags):,} looks",
    )


def _lags(placed: list[Any], seen: list[tuple[int, float]]) -> list[float]:
    """Milliseconds from an order's decision, which is before its commit, until a look first saw its position."""
    positions = [position for position, _ in seen]
    found = []
    for position, recorded_at in placed:
        at = bisect.bisect_left(positions, position)
        found.append((seen[at][1] - recorded_at.timestamp()) * 1000)
    return found


def _note(seen: list[tuple[int, float]], position: int | None, now: float) -> None:
    if position is not None and (not seen or position > seen[-1][0]):
        seen.append((position, now))


def is_projected(settings: Settings) -> bool:
    """Whether every read table stands at the log's end."""
    with connect(settings.database_url or "", application="bench") as connection:
        row = connection.execute(_LOOK).fetchone()
        count = connection.execute("SELECT count(*) FROM projections").fetchone()
    return row is not None and row[0] == row[1] and count is not None and count[0] > 0


class _Quoting:
    """Every symbol is quoted once, then ten of them ten times a second; no order trades."""

    def __init__(self, redis_url: str) -> None:
        self._market = Market(redis_url)
        self._market.publish(dict.fromkeys(SYMBOLS, _ASK))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._quote, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more quotes."""
        self._stop.set()
        self._thread.join()
        self._market.close()

    def _quote(self) -> None:
        while not self._stop.wait(0.1):
            self._market.publish(dict.fromkeys(SYMBOLS[:10], _ASK))


PATH = Path(
    name="visible",
    what=f"Orders at a steady {RATE:,.0f}/s over HTTP through api, projector and executor, which accepts each of them. "
    "How long from an order's decision, which is a little before its commit, until all read tables have it, looked "
    "at from outside every millisecond. `lag`: how many events the hindmost table was behind at each look.",
    ceiling="The same look at the log itself: decision until the order can be read there.",
    target="p99 ≤ 100 ms",
    measure=measure,
)
