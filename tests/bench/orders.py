"""Orders over HTTP: against a bare echo, and of one customer against a thousand."""

import subprocess
from collections.abc import Callable

from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from tests.bench.client import Call, Outcome
from tests.bench.customers import customers, echo_calls, order_call, order_calls
from tests.bench.figures import in_turns, median
from tests.bench.load import Load
from tests.bench.market import quote_all
from tests.bench.plan import ACCOUNTS, CONNECTIONS, ROUNDS, SECONDS, Path, Row
from tests.bench.servers import Bench
from tests.bench.stories import SYMBOLS

Start = Callable[[Bench, Settings], "subprocess.Popen[bytes]"]


class Desk:
    """An API role with customers, and what was acknowledged to them."""

    def __init__(
        self,
        bench: Bench,
        load: Load,
        *,
        accounts: int = ACCOUNTS,
        start: Start | None = None,
        **changes: int,
    ) -> None:
        self.bench = bench
        self.load = load
        self.settings = bench.settings(**changes)
        self.customers = customers(self.settings, accounts)
        quote_all(bench.redis.url, SYMBOLS)
        self.api = (start or Bench.api)(bench, self.settings)
        self.acknowledged = 0
        self.cpu: dict[str, float] = {}
        bench.settle()

    def order(self, calls: list[Call], *, seconds: float = SECONDS) -> Outcome:
        """Place orders as fast as answers come. Every answer must be a 201."""
        meter = self.bench.meter(self.api.pid)
        found = self.load.run(self.settings.port, calls, seconds=seconds, connections=CONNECTIONS)
        self.cpu = {"client": found.client_cpu, **meter.percent()}
        require_all(found, 201)
        self.acknowledged += found.ok
        return found

    def require_exactly_acknowledged(self, runs: int) -> None:
        """The log holds the acknowledged orders and no other; with wrk, up to those it dropped at its end."""
        placed, keys = placed_orders(self.settings)
        most = self.acknowledged + self.load.slack * CONNECTIONS * 2 * runs
        assert placed == keys, f"{placed} orders but {keys} idempotency keys"
        assert self.acknowledged <= placed <= most, f"{self.acknowledged} acknowledged, {placed} in the log"


def require_all(found: Outcome, status: int) -> None:
    """Every answer has this status and none is missing."""
    assert set(found.statuses) == {status}, f"statuses {found.statuses}"
    assert not found.lost, f"{found.lost} answers never came"


def placed_orders(settings: Settings) -> tuple[int, int]:
    """Orders in the log, and idempotency keys kept."""
    with connect(settings.database_url or "", application="bench count") as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM stored_events WHERE topic = 'Order.Placed'),"
            " (SELECT count(*) FROM idempotency_keys)"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def measure_orders(bench: Bench) -> list[Row]:
    """Ours and the echo in turns."""
    load = Load()
    desk = Desk(bench, load)
    port, _ = bench.echo()
    calls, echoes = order_calls(desk.customers), echo_calls()

    def echo() -> Outcome:
        found = load.run(port, echoes, seconds=SECONDS, connections=CONNECTIONS)
        require_all(found, 201)
        return found

    ours, ceiling = in_turns(ROUNDS, lambda: desk.order(calls), echo)
    desk.require_exactly_acknowledged(ROUNDS)
    load.close()
    clients = f"client {median([found.client_cpu for found in ceiling]):.0f} % under the echo"
    row = against(ORDERS, "orders/s", ours, [found.rate for found in ceiling], desk.cpu)
    row.met = (row.ratio or 0) >= 0.5 and (row.p99_ms or 0) <= 50
    row.note = f"{desk.acknowledged} acknowledged, all in the log; {clients}"
    return [row]


def measure_hot_account(bench: Bench) -> list[Row]:
    """One customer and a thousand in turns, at the same server."""
    load = Load()
    desk = Desk(bench, load)
    hot, spread = [order_call(desk.customers[0], "AKA")], order_calls(desk.customers)
    cpu: dict[str, float] = {}

    def one() -> Outcome:
        found = desk.order(hot)
        cpu.update(desk.cpu)
        return found

    ours, ceiling = in_turns(ROUNDS, one, lambda: desk.order(spread))
    desk.require_exactly_acknowledged(2 * ROUNDS)
    load.close()
    row = against(HOT, "orders/s", ours, [found.rate for found in ceiling], cpu)
    row.met = (row.ratio or 0) >= 0.8
    return [row]


def against(path: Path, unit: str, ours: list[Outcome], ceiling: list[float], cpu: dict[str, float]) -> Row:
    """A row of medians."""
    rate, top = median([found.rate for found in ours]), median(ceiling)
    return Row(
        path=path.name,
        unit=unit,
        ours=rate,
        ceiling=top,
        ratio=rate / top,
        target=path.target,
        met=False,
        p50_ms=median([found.p50_ms for found in ours]),
        p95_ms=median([found.p95_ms for found in ours]),
        p99_ms=median([found.p99_ms for found in ours]),
        cpu=cpu,
    )


ORDERS = Path(
    name="orders",
    what=f"Limit orders placed over HTTP at the api role: login, unique Idempotency-Key, validation, hold, two "
    f"events, committed. {CONNECTIONS} connections, {ACCOUNTS:,} accounts with money. Every answer was a 201, "
    "and the log holds exactly the acknowledged orders.",
    ceiling="A bare Litestar application, served the same way, that decodes the same struct and returns it.",
    target="≥ 0.50, p99 ≤ 50 ms",
    measure=measure_orders,
)
HOT = Path(
    name="hot-account",
    what=f"The orders path, all orders from one customer, {CONNECTIONS} connections.",
    ceiling=f"The same from {ACCOUNTS:,} customers, at the same server.",
    target="≥ 0.8",
    measure=measure_hot_account,
)
