"""How much memory each role holds when there is a lot to hold."""

import time
from collections.abc import Mapping

from infrastructure.settings import Settings
from tests.bench.cpu import rss_mb
from tests.bench.customers import Customer, log_in, order_calls
from tests.bench.load import Load
from tests.bench.market import quote_all
from tests.bench.plan import CONNECTIONS, QUICK, Path, Row
from tests.bench.servers import Bench, until
from tests.bench.stories import SYMBOLS, Story
from tests.bench.visible import is_projected

ACCOUNTS = 5_000 if QUICK else 100_000
ORDERS_EACH = 10
ROLES = ("api", "projector", "executor", "scheduler", "surveillance", "sealer")
TOUCHES_S = 10.0 if QUICK else 60.0


def measure(bench: Bench) -> list[Row]:
    """An empty log first, then the full one."""
    empty = _on_empty_log(bench)
    settings = bench.settings()
    found = log_in(settings, ACCOUNTS)
    _write(settings, found)
    quote_all(bench.redis.url, SYMBOLS)
    pids = _start(bench, settings)
    until(lambda: is_projected(settings), "the projector has caught up", within=3_600, every=1)
    orders = _touch_all(settings, found)
    until(lambda: is_projected(settings), "the projector has caught up", within=600, every=1)
    full = {name: rss_mb(pid) for name, pid in pids.items()}
    note = (
        f"{ACCOUNTS:,} accounts, {ACCOUNTS * ORDERS_EACH + orders:,} orders, one in {ORDERS_EACH} resting; bounds: "
        f"cache_aggregates {settings.cache_aggregates:,}, queue_limit {settings.queue_limit:,}, "
        f"batch_limit {settings.batch_limit}"
    )
    return [_row(name, full[name], empty[name], note if name == "api" else "") for name in ROLES]


def _on_empty_log(bench: Bench) -> dict[str, float]:
    settings = bench.settings()
    quote_all(bench.redis.url, SYMBOLS)
    pids = _start(bench, settings)
    time.sleep(3)
    found = {name: rss_mb(pid) for name, pid in pids.items()}
    bench.stop_processes()
    return found


def _start(bench: Bench, settings: Settings) -> Mapping[str, int]:
    pids = {name: bench.role(name, settings).pid for name in ROLES if name != "api"}
    return {"api": bench.api(settings).pid, **pids}


def _write(settings: Settings, found: list[Customer]) -> None:
    """Ten orders each, nine of them taken back."""
    with Story(settings.database_url or "") as story:
        for number, one in enumerate(found):
            story.acts_as(one.user_id)
            story.open(one.account_id)
            for _ in range(ORDERS_EACH - 1):
                order_id = story.place(one.account_id, SYMBOLS[number % len(SYMBOLS)])
                story.cancel(one.account_id, order_id)
            story.accept(one.account_id, story.place(one.account_id, SYMBOLS[number % len(SYMBOLS)]))
            if number % 1_000 == 0:
                story.forget()


def _touch_all(settings: Settings, found: list[Customer]) -> int:
    """More orders, from every account in turn, so that the api's caches fill up to their bounds."""
    load = Load()
    outcome = load.run(settings.port, order_calls(found), seconds=TOUCHES_S, connections=CONNECTIONS)
    load.close()
    return outcome.ok


def _row(name: str, full: float, empty: float, note: str) -> Row:
    return Row(
        path=f"memory:{name}",
        unit="MB",
        ours=full,
        ceiling=empty,
        ratio=full / empty,
        target=PATH.target,
        met=True,
        note=note,
    )


PATH = Path(
    name="memory",
    what=f"Resident memory of each role, with {ACCOUNTS:,} accounts and {ACCOUNTS * ORDERS_EACH:,} orders in the log, "
    "after more orders from all accounts.",
    ceiling="The same roles on an empty log.",
    target="told, not judged",
    measure=measure,
    by_default=False,
)
