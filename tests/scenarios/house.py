"""The firm that is examined: real servers in a data folder, every role at work, and a market whose day is set by hand."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx
import psycopg
from msgspec import Struct, structs

from domain.quotes import ClockReading, Session, Tick
from infrastructure.embedded import EmbeddedPostgres, EmbeddedRedis
from infrastructure.embedded.folder import locked, publish
from infrastructure.postgres.migrate import migrate
from infrastructure.privacy import rotating
from infrastructure.privacy.master import MasterKeys
from infrastructure.redis.quotes import QuotePublisher
from infrastructure.settings import Settings
from infrastructure.surveillance.running import run_surveillance
from infrastructure.wiring.scheduler import run_scheduler
from infrastructure.wiring.sealer import sealer
from tests.conftest import free_port
from tests.http.running import Running, executing, quote, serving

ROOT = Path(__file__).resolve().parents[2]
HEARD_WITHIN_S = 0.25
"""The market's time is looked at every 50 ms by whoever stamps facts."""

ANSWERED_WITHIN_S = 120.0


class Said(Struct, frozen=True, kw_only=True):
    """What a command said, and how it ended."""

    command: str
    words: list[str]
    code: int
    out: str
    err: str


class House:
    """A Daybook on the market's clock. `at` sets the time and the prices; `client` speaks to it; `ask` runs a command."""

    def __init__(self, running: Running, folder: Path, postgres: EmbeddedPostgres) -> None:
        self.running = running
        self.settings = running.settings
        self.folder = folder
        self.desk = folder / "desk"  # where the examiner works
        self.desk.mkdir()
        self._postgres = postgres
        self._publisher = QuotePublisher(self.settings.redis_url or "")
        self._ticks = count(1)
        self._prices = {"IBM": "120.00", "MSFT": "300.00"}
        self._clients: list[httpx.Client] = []

    def at(self, moment: str, **lasts: str) -> datetime:
        """The market's time is this (UTC) and stands still; these symbols last traded at these prices."""
        self._prices |= lasts
        number, now = next(self._ticks), datetime.fromisoformat(moment).replace(tzinfo=UTC)
        close = now.replace(hour=0, minute=0, second=0)
        session = Session(is_open=True, previous_close=close)
        quotes = [
            quote(symbol, number * 1000 + n, last=last, at=now)
            for n, (symbol, last) in enumerate(self._prices.items())
        ]
        self._publisher.publish(
            Tick(run="scenario", number=number, at=now, session=session, quotes=quotes),
            ClockReading(
                at=now, wall=datetime.now(UTC), speed=1, until=now, session=session, source="scenario"
            ),
        )
        time.sleep(HEARD_WITHIN_S)
        return now

    def client(self, *, address: str, agent: str) -> httpx.Client:
        """Somebody who speaks to it from this address of the loopback network, by this program."""
        transport = httpx.HTTPTransport(local_address=address)
        found = httpx.Client(
            base_url=self.running.url, transport=transport, headers={"User-Agent": agent}, timeout=30
        )
        self._clients.append(found)
        return found

    def ask(self, command: str, *words: str) -> Said:
        """Run `daybook` with these words as an examiner does: in a process of its own, at a desk of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "interfaces.cli.main", *words],
            cwd=self.desk,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=ANSWERED_WITHIN_S,
            check=False,
        )
        return Said(
            command=command, words=list(words), code=done.returncode, out=done.stdout, err=done.stderr
        )

    def events_before(self, day: str) -> int:
        """How many events the table of the log has from before a day, counted by PostgreSQL."""
        with psycopg.connect(self._postgres.url(user="postgres")) as connection:
            sql = "SELECT count(*) FROM stored_events WHERE recorded_at < %s::date"
            row = connection.execute(sql, (day,)).fetchone()
        assert row is not None
        return int(row[0])

    @contextmanager
    def one_byte_changed(self, log_position: int) -> Iterator[None]:
        """Somebody who may do everything has changed one byte of an event; put back afterwards."""
        self._change_a_byte(log_position)
        try:
            yield
        finally:
            self._change_a_byte(log_position)

    @contextmanager
    def one_byte_changed_in_the_archive(self) -> Iterator[None]:
        """Somebody has changed a byte in the middle of the archived month; put back afterwards."""
        (file,) = (self.settings.data_dir / "archive").glob("events-*.parquet")
        whole = file.read_bytes()
        middle = len(whole) // 2
        file.chmod(0o600)
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        try:
            yield
        finally:
            file.write_bytes(whole)

    def _change_a_byte(self, log_position: int) -> None:
        with psycopg.connect(self._postgres.url(user="postgres")) as connection:
            connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_are_for_ever")
            done = connection.execute(
                "UPDATE stored_events SET state = set_byte(state, 20, get_byte(state, 20) # 1)"
                " WHERE notification_id = %s",
                (log_position,),
            )
            connection.execute("ALTER TABLE stored_events ENABLE ALWAYS TRIGGER stored_events_are_for_ever")
        assert done.rowcount == 1

    def close(self) -> None:
        """Hang up."""
        for client in self._clients:
            client.close()
        self._publisher.close()

    def _environment(self) -> dict[str, str]:
        """Nothing but the data folder, as the page has it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
        told = {"DAYBOOK_DATA_DIR": str(self.settings.data_dir), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        return {**kept, **told}


@contextmanager
def house() -> Iterator[House]:
    """A firm, closed and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="daybook-examined-"))
    folder.chmod(0o711)  # PostgreSQL's own user must get in when this runs as root
    try:
        with ExitStack() as stack:
            yield _opened(folder, stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(folder: Path, stack: ExitStack) -> House:
    data_dir = folder / "data"
    stack.enter_context(locked(data_dir))
    data_dir.chmod(0o711)
    postgres, redis = EmbeddedPostgres(data_dir), EmbeddedRedis(data_dir)
    postgres.start()
    stack.callback(postgres.stop)
    redis.start()
    stack.callback(redis.stop)
    settings = _settings(data_dir, postgres, redis)
    migrate(postgres.owner_url, MasterKeys.of(settings))
    running = stack.enter_context(serving(settings))
    stack.enter_context(executing(settings))
    for work in (run_scheduler, _seal, run_surveillance):
        stack.enter_context(_at_work(lambda stop, work=work: work(settings, stop)))
    found = House(running, folder, postgres)
    stack.callback(found.close)
    return found


def _settings(data_dir: Path, postgres: EmbeddedPostgres, redis: EmbeddedRedis) -> Settings:
    key_file = data_dir / "master.key"
    rotating.create(key_file)
    servers = {
        "database_url": postgres.app_url,
        "owner_database_url": postgres.owner_url,
        "redis_url": redis.url,
        "master_key_file": str(key_file),
    }
    publish(data_dir, {**servers, "clock": "market", "calendar": "always"})
    settings = Settings(data_dir=data_dir, port=free_port(), clock="market", seal_interval=0.2)
    return structs.replace(settings, **{**servers, "master_key_file": key_file})


def _seal(settings: Settings, stop: threading.Event) -> None:
    sealer(settings).run(stop)


@contextmanager
def _at_work(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """A role in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)
    assert not thread.is_alive()
