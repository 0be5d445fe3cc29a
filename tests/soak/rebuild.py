"""Kill a rebuild at random moments, again and again: `python -m tests.soak.rebuild --kills 200`.

Each round starts the rebuild that the command line starts, in a process of its own, kills it with all its
workers after a random while, and looks at what is left: every live table must be the fold of the log up to
its position, and the swap back must work. Now and then a rebuild is left alone and must end well. Customers
go on trading and the projector goes on projecting all the while.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import psycopg
from msgspec import Struct

from domain.errors import Refusal
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.postgres.connections import connect
from infrastructure.postgres.migrate import migrate
from infrastructure.projecting.operating import rebuild_all, roll_back
from infrastructure.projecting.rebuild.child import VARIABLE, Order
from infrastructure.projecting.runner import Projector
from projections.catalogue import BY_NAME, PROJECTIONS
from tests.projecting.worked import Desk, deposit
from tests.soak.rebuild_fold import rows_that_differ
from tests.soak.rebuild_log import lengthen

TABLES = ("balances", "activity", "holders", "history")
"""One that changes rows, one that only adds, one that removes, one that writes rows it has not read."""


class Tally(Struct):
    """What has happened so far."""

    kills: int = 0
    ended: int = 0
    went_back: int = 0
    wrong: list[str] = []


def soak(url: str, *, kills: int, seed: int, names: Sequence[str] = TABLES, longest_s: float = 2.5) -> Tally:
    """Kill so many rebuilds. The log must be there."""
    chance, tally = random.Random(seed), Tally()
    while tally.kills < kills and not tally.wrong:
        parallel = chance.choice((1, 1, 2))
        if _killed(url, names, parallel, after=chance.uniform(0, longest_s) ** 1.3):
            tally.kills += 1
        else:
            tally.ended += 1
        if chance.random() < 0.1:
            tally.went_back += _went_back(url, chance.choice(names))
        tally.wrong += wrong(url, names)
        sys.stderr.write(f"{tally}\n")
    results = rebuild_all(url, names)
    tally.wrong += [f"{r.projection}: {r.differences} rows differ" for r in results if r.differences]
    tally.wrong += [f"{r.projection}: not compared" for r in results if not r.compared]
    return tally


def wrong(url: str, names: Sequence[str]) -> list[str]:
    """The live tables that are not the fold of the log up to where they stand."""
    found = {name: rows_that_differ(url, BY_NAME[name]) for name in names}
    return [f"{name}: {count} rows are not what the log says" for name, count in found.items() if count]


def _killed(url: str, names: Sequence[str], parallel: int, *, after: float) -> bool:
    order = Order(url=url, names=list(names), parallel=parallel)
    child = subprocess.Popen(
        [sys.executable, "-m", "infrastructure.projecting.rebuild.child"],
        env={**os.environ, VARIABLE: msgspec.json.encode(order).decode()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    began = _until_at_work(url, child)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(after if began else 60)
    was_alive = child.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return was_alive


def _until_at_work(url: str, child: "subprocess.Popen[bytes]") -> bool:
    """The start of Python is not what is to be killed."""
    with connect(url, application="soak") as connection:
        while child.poll() is None:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'daybook rebuild%'"
                " AND datname = current_database()"
            ).fetchone()
            if row and row[0]:
                return True
            time.sleep(0.01)
    return False


def _went_back(url: str, name: str) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            roll_back(url, name)
        except Refusal as refusal:
            if refusal.code == "previous_table_must_exist":
                return 0
            time.sleep(0.05)  # PostgreSQL has not noticed yet that the one who rebuilt is dead
        else:
            return 1
    raise TimeoutError(f"{name} could not be taken back")


@contextlib.contextmanager
def traffic(url: str) -> Iterator[None]:
    """Customers who deposit, and a projector, until the end."""
    stop = threading.Event()
    desk = Desk(url)

    def trade() -> None:
        account_id = desk.opened()
        while not stop.wait(0.05):
            desk.all_at_once([deposit(account_id) for _ in range(5)])

    threads = [
        threading.Thread(target=trade),
        threading.Thread(target=Projector(url, PROJECTIONS, wake=threading.Event()).run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
        desk.close()


def main() -> int:
    """Start a PostgreSQL of our own, make a log, and soak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="daybook-soak-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder)
    try:
        server.start()
        url = _database(server)
        lengthen(url, wanted.events)
        with traffic(url):
            tally = soak(url, kills=wanted.kills, seed=wanted.seed)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"seed {wanted.seed}: {tally}\n")
    return 1 if tally.wrong else 0


def _database(server: EmbeddedPostgres) -> str:
    superuser = server.url(user="postgres", database="postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("CREATE DATABASE soak OWNER daybook_owner")
    migrate(server.url(user="daybook_owner", database="soak"))
    return server.url(user="daybook_app", database="soak")


if __name__ == "__main__":
    sys.exit(main())
