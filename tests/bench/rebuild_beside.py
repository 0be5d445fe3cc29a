"""What customers who place orders notice of a rebuild that is under way."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from uuid import uuid4

from infrastructure.embedded.children import stop
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from tests.bench.client import Call, Outcome
from tests.bench.customers import customers, order_calls
from tests.bench.figures import in_turns, median
from tests.bench.load import Load
from tests.bench.market import quote_all
from tests.bench.orders import require_all
from tests.bench.plan import ACCOUNTS, CONNECTIONS, QUICK, ROUNDS, SECONDS, Path, Row
from tests.bench.servers import Bench, until
from tests.bench.stories import SYMBOLS, Story, trade
from tests.bench.visible import is_projected

EVENTS = 100_000 if QUICK else 200_000
RATE = 1_000.0
TRADERS = 500
WARM_S = 3.0
"""A rebuild that is gentle has noticed the customers by then."""


def measure(bench: Bench) -> list[Row]:
    """The same steady orders without a rebuild and during one, in turns."""
    load, settings = Load(), bench.settings()
    _lengthen(settings, EVENTS)
    calls = order_calls(customers(settings, ACCOUNTS))
    quote_all(bench.redis.url, SYMBOLS)
    api, projector = bench.api(settings), bench.role("projector", settings)
    until(lambda: is_projected(settings), "the projector has caught up", within=120)
    bench.settle()
    folded: list[int] = []

    def without() -> Outcome:
        return _order(load, settings, calls)

    def during() -> Outcome:
        began = datetime.now(UTC)
        rebuild = _rebuild(bench, settings)
        found = _order(load, settings, calls)
        assert rebuild.poll() is None, "the rebuild ended too soon; make the log longer"
        folded.append(_folded(settings, since=began))
        stop(rebuild, signals=[(signal.SIGKILL, 5.0)])
        return found

    meter = bench.meter(api.pid, projector=projector.pid)
    ours, plain = in_turns(ROUNDS, during, without)
    cpu = {"client": ours[-1].client_cpu, **meter.percent()}
    load.close()
    return [_row(ours, plain, cpu, folded)]


def _lengthen(settings: Settings, events: int) -> None:
    accounts = [uuid4() for _ in range(TRADERS)]
    with Story(settings.database_url or "") as story:
        for account_id in accounts:
            story.open(account_id)
        trading = trade(story, accounts)
        while story.position < events:
            next(trading)


def _order(load: Load, settings: Settings, calls: list[Call]) -> Outcome:
    found = load.run(settings.port, calls, seconds=SECONDS, rate=RATE, connections=CONNECTIONS, warm_s=WARM_S)
    require_all(found, 201)
    return found


def _rebuild(bench: Bench, settings: Settings) -> "subprocess.Popen[bytes]":
    """All projections, as an operator does it; folding has begun."""
    argv = [sys.executable, "-m", "interfaces.cli.main", "projections", "rebuild", "--fresh"]
    argv += os.environ.get("REBUILD_FLAGS", "").split()
    began = datetime.now(UTC)
    process = bench.process(argv, "rebuild", {**os.environ, **settings.as_environment()})
    until(lambda: _folded(settings, since=began) or process.poll() is not None, "the rebuild folds")
    return process


def _folded(settings: Settings, *, since: datetime) -> int:
    """How far the tables have come that have been built since then."""
    with connect(settings.database_url or "", application="bench") as connection:
        row = connection.execute(
            "SELECT coalesce(max(position), 0) FROM projection_partitions JOIN projection_generations"
            " USING (name, generation) WHERE state = 'building' AND created_at > %s",
            (since,),
        ).fetchone()
    return row[0] if row else 0


def _row(ours: list[Outcome], plain: list[Outcome], cpu: dict[str, float], folded: list[int]) -> Row:
    with_it, without = median([each.p99_ms for each in ours]), median([each.p99_ms for each in plain])
    pairs = ", ".join(f"{a.p99_ms:.1f}/{b.p99_ms:.1f}" for a, b in zip(ours, plain, strict=True))
    return Row(
        path=PATH.name,
        unit="ms (p99)",
        ours=with_it,
        ceiling=without,
        ratio=with_it / without,
        target=PATH.target,
        met=with_it / without <= 1.5,
        p50_ms=median([each.p50_ms for each in ours]),
        p95_ms=median([each.p95_ms for each in ours]),
        p99_ms=with_it,
        cpu=cpu,
        note=f"p99 with/without by round: {pairs} ms; without p50 {median([each.p50_ms for each in plain]):.1f}, "
        f"p95 {median([each.p95_ms for each in plain]):.1f} ms; events folded into each table meanwhile: "
        f"{', '.join(f'{each:,}' for each in folded)}",
    )


PATH = Path(
    name="rebuild-beside",
    what=f"Orders at a steady {RATE:,.0f}/s over HTTP through api and projector, while all projections are rebuilt "
    f"from {EVENTS:,} events on the same machine.",
    ceiling="The same orders without a rebuild.",
    target="p99 ≤ 1.5 times",
    measure=measure,
)
