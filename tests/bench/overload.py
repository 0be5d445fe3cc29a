"""More orders than can be taken: what is accepted, what is refused, and how long the accepted ones took."""

from pathlib import Path as File

from msgspec import Struct

from tests.bench import svg
from tests.bench.client import Outcome
from tests.bench.customers import order_calls
from tests.bench.load import Load
from tests.bench.orders import Desk, placed_orders
from tests.bench.plan import QUICK, SECONDS, Path, Row
from tests.bench.servers import Bench

QUEUE = 500
"""The setting `queue_limit` under test; by default it is 10,000, more than there are connections here."""

CONNECTIONS = 1_500
SHARES = (0.5, 1.0, 2.0) if QUICK else (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
BOUND_MS = 1_000
CURVE = File("docs/benchmarks-overload.svg")


class Stage(Struct, frozen=True):
    """One offered load and what came of it."""

    offered: float
    found: Outcome


def measure(bench: Bench) -> list[Row]:
    """Capacity first, as fast as answers come; then loads of a rate, up to twice of it."""
    load = Load()
    desk = Desk(bench, load, queue_limit=QUEUE)
    calls = order_calls(desk.customers)
    capacity = desk.order(calls).rate
    meter = bench.meter(desk.api.pid)
    stages = []
    for share in SHARES:
        rate = share * capacity
        found = load.run(desk.settings.port, calls, seconds=SECONDS, connections=CONNECTIONS, rate=rate)
        desk.acknowledged += found.statuses.get(201, 0)
        stages.append(Stage(rate, found))
    cpu = {"client": stages[-1].found.client_cpu, **meter.percent()}
    load.close()
    _require_honest(desk, load, stages)
    _draw(stages, capacity)
    return [_row(stages[-1], capacity, cpu, stages)]


def _require_honest(desk: Desk, load: Load, stages: list[Stage]) -> None:
    """Only yes and not now; every "not now" says when to try again; the log holds what was acknowledged."""
    for stage in stages:
        assert set(stage.found.statuses) <= {201, 503}, stage.found.statuses
        assert stage.found.retry_after == stage.found.statuses.get(503, 0)
        assert not stage.found.lost, f"{stage.found.lost} answers never came"
    placed, _ = placed_orders(desk.settings)
    assert desk.acknowledged <= placed <= desk.acknowledged + load.slack * 2 * 128


def _row(last: Stage, capacity: float, cpu: dict[str, float], stages: list[Stage]) -> Row:
    found = last.found
    refused = found.statuses.get(503, 0)
    curve = "; ".join(
        f"{stage.offered:,.0f} → {stage.found.ok_rate:,.0f}, {stage.found.p99_ms:.0f} ms" for stage in stages
    )
    return Row(
        path=PATH.name,
        unit="accepted/s",
        ours=found.ok_rate,
        ceiling=capacity,
        ratio=found.ok_rate / capacity,
        target=PATH.target,
        met=found.p99_ms <= BOUND_MS,
        p50_ms=found.p50_ms,
        p95_ms=found.p95_ms,
        p99_ms=found.p99_ms,
        cpu=cpu,
        note=f"at {last.offered:,.0f}/s offered, queue_limit {QUEUE}, {CONNECTIONS:,} connections: {refused:,} times 503, "
        f"each with Retry-After; {found.unsent:,} found no free connection. Offered → accepted, p99: {curve}",
    )


def _draw(stages: list[Stage], capacity: float) -> None:
    accepted = [(stage.offered, stage.found.ok_rate) for stage in stages]
    refused = [(stage.offered, stage.found.rate - stage.found.ok_rate) for stage in stages]
    slow = [(stage.offered, stage.found.p99_ms) for stage in stages]
    middle = [(stage.offered, stage.found.p50_ms) for stage in stages]
    title = f"Orders a second (capacity {capacity:,.0f})"
    svg.write(
        CURVE,
        [
            svg.Panel(title=title, x="offered/s", lines={"accepted": accepted, "503": refused}),
            svg.Panel(title="Time of accepted ones, ms", x="offered/s", lines={"p99": slow, "p50": middle}),
        ],
    )


PATH = Path(
    name="overload",
    what=f"Orders offered at up to twice the capacity, whatever comes back, over {CONNECTIONS:,} connections, with "
    f"queue_limit {QUEUE}. Times count from when an order fell due. Answers are 201, or 503 with Retry-After; the "
    "log holds exactly the acknowledged orders.",
    ceiling="The same server's orders a second when the load is as fast as answers come, 128 connections.",
    target=f"p99 of accepted ≤ {BOUND_MS:,} ms, none lost",
    measure=measure,
    pictures=(CURVE.name,),
)
