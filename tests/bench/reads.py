"""Reads over HTTP against answers of the same size that are merely encoded."""

import json
from uuid import UUID

import httpx
from msgspec import Struct

from infrastructure.settings import Settings
from tests.bench.client import Call, Outcome, call
from tests.bench.customers import Customer, log_in
from tests.bench.figures import in_turns
from tests.bench.load import Load
from tests.bench.market import quote_all
from tests.bench.orders import against, require_all
from tests.bench.plan import CONNECTIONS, ROUNDS, SECONDS, Path, Row
from tests.bench.servers import Bench, until
from tests.bench.stories import SYMBOLS, Story
from tests.bench.visible import is_projected

ACCOUNTS = 300
POSITIONS = 20


class Holder(Struct, frozen=True):
    """A customer with twenty positions, and one of the orders that made them."""

    customer: Customer
    order_id: UUID


def measure(bench: Bench) -> list[Row]:
    """Three reads, each in turns with the echo of its own answer."""
    load, settings = Load(), bench.settings()
    holders = _holders(settings)
    quote_all(bench.redis.url, SYMBOLS)
    bench.role("projector", settings)
    until(lambda: is_projected(settings), "the projector has caught up")
    api, (port, _) = bench.api(settings), bench.echo()
    bench.settle()
    rows = []
    for name, path in READS.items():
        calls = [_call(path, holder) for holder in holders]
        size = _keep(settings.port, port, name, path, holders[0])
        echo = [call("GET", f"/answers/{name}")]
        cpu: dict[str, float] = {}

        def read(calls: list[Call] = calls, cpu: dict[str, float] = cpu) -> Outcome:
            meter = bench.meter(api.pid)
            found = load.run(settings.port, calls, seconds=SECONDS, connections=CONNECTIONS)
            cpu.update({"client": found.client_cpu, **meter.percent()})
            return found

        def bare(echo: list[Call] = echo) -> Outcome:
            return load.run(port, echo, seconds=SECONDS, connections=CONNECTIONS)

        ours, ceiling = in_turns(ROUNDS, read, bare)
        for found in (*ours, *ceiling):
            require_all(found, load.yes(200))
        row = against(PATH, "reads/s", ours, [found.rate for found in ceiling], cpu)
        row.path, row.met = f"reads:{name}", (row.ratio or 0) >= 0.35
        row.note = f"answers of {size:,} bytes"
        rows.append(row)
    load.close()
    return rows


def _holders(settings: Settings) -> list[Holder]:
    found = []
    with Story(settings.database_url or "") as story:
        for one in log_in(settings, ACCOUNTS):
            story.acts_as(one.user_id)
            story.open(one.account_id)
            for symbol in SYMBOLS[:POSITIONS]:
                order_id = story.place(one.account_id, symbol)
                story.fill(one.account_id, order_id, symbol)
            found.append(Holder(one, order_id))
    return found


def _keep(port: int, echo: int, name: str, path: str, holder: Holder) -> int:
    """Give the echo a real answer to encode; its size."""
    headers = {"Authorization": f"Bearer {holder.customer.token}"}
    answer = httpx.get(f"http://127.0.0.1:{port}{_path(path, holder)}", headers=headers)
    answer.raise_for_status()
    httpx.put(f"http://127.0.0.1:{echo}/answers/{name}", json=json.loads(answer.text)).raise_for_status()
    if name == "portfolio":
        assert len(answer.json()["positions"]) == POSITIONS
    return len(answer.content)


def _call(path: str, holder: Holder) -> Call:
    return call("GET", _path(path, holder), token=holder.customer.token)


def _path(path: str, holder: Holder) -> str:
    return "/api/v1" + path.format(order_id=holder.order_id)


READS = {"balance": "/wallet/balance", "order": "/orders/{order_id}", "portfolio": "/portfolio"}

PATH = Path(
    name="reads",
    what=f"Reads over HTTP with login: the balance, one order with its executions, the portfolio of {POSITIONS} positions "
    f"valued at current quotes. {CONNECTIONS} connections, {ACCOUNTS} accounts; the projector is up to date.",
    ceiling="The bare application of the orders path, which encodes an answer of the same content.",
    target="≥ 0.35 each",
    measure=measure,
)
