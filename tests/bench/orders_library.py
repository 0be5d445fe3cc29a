"""Orders over HTTP against the `eventsourcing` library in process."""

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.bench import library
from tests.bench.customers import order_calls
from tests.bench.figures import in_turns
from tests.bench.load import Load
from tests.bench.orders import Desk, against
from tests.bench.plan import ROUNDS, SECONDS, Path, Row
from tests.bench.servers import Bench, aside

ACCOUNTS = 1_000


def measure(bench: Bench) -> list[Row]:
    """Both in turns."""
    load = Load()
    desk = Desk(bench, load)
    calls = order_calls(desk.customers)
    peer = _empty_database(bench)
    ours, theirs = in_turns(ROUNDS, lambda: desk.order(calls), lambda: _library(peer))
    desk.require_exactly_acknowledged(ROUNDS)
    load.close()
    row = against(PATH, "orders/s", ours, theirs, desk.cpu)
    row.met = (row.ratio or 0) >= 4
    row.note = (
        f"ours over HTTP, the library in process with {library.THREADS} threads and its aggregate cache on"
    )
    return [row]


def _library(url: str) -> float:
    return aside(_run, url)


def _run(url: str) -> float:
    return library.rate(url, accounts=ACCOUNTS, seconds=SECONDS)


def _empty_database(bench: Bench) -> str:
    bench.as_superuser("CREATE DATABASE bench_library OWNER daybook_owner")
    url = bench.postgres.url(user="daybook_owner", database="bench_library")
    return make_conninfo(**conninfo_to_dict(url))


PATH = Path(
    name="orders-library",
    what="The orders path again, over HTTP.",
    ceiling="A peer, not a ceiling: orders a second of a straightforward application of the `eventsourcing` library "
    "(metaclass aggregates with @event, Account and Order, one save a command), in process, without HTTP, "
    "keys or refusals, with its aggregate cache, 8 threads that share no account, on the same PostgreSQL.",
    target="≥ 4 times",
    measure=measure,
)
