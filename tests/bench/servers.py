"""The suite's own PostgreSQL and Redis with fsync on, a fresh database for each path, and the roles as processes."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import redis
from msgspec import structs

from infrastructure.embedded import EmbeddedPostgres, EmbeddedRedis
from infrastructure.embedded.children import spawn, stop
from infrastructure.postgres.migrate import migrate
from infrastructure.settings import Settings
from interfaces.demo.instance import free_port
from tests.bench.cpu import Meter
from tests.conftest import MASTER_KEY

OUTPUT = Path(".bench")
TEMPLATE = "bench_template"
READY_WITHIN_S = 60.0

T = TypeVar("T")


class Bench:
    """Everything that a path measures with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder)
        self.redis = EmbeddedRedis(folder)
        self._numbers = count(1)
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the servers and make the database that all others are copied from."""
        self.postgres.start()
        self.redis.start()
        self.as_superuser(f"CREATE DATABASE {TEMPLATE} OWNER daybook_owner")
        migrate(self.postgres.url(user="daybook_owner", database=TEMPLATE))

    def stop(self) -> None:
        """End everything."""
        self.stop_processes()
        self.redis.stop()
        self.postgres.stop()

    # Databases.

    def settings(self, **changes: Any) -> Settings:
        """Settings of a Daybook with an empty log, and Redis emptied."""
        with redis.Redis.from_url(self.redis.url) as client:
            client.flushall()
        app, owner = self.database()
        found = Settings(
            database_url=app,
            owner_database_url=owner,
            master_key=MASTER_KEY,
            redis_url=self.redis.url,
            data_dir=self.folder / "market",
            port=free_port(),
            log_level="warning",
        )
        return structs.replace(found, **changes)

    def database(self) -> tuple[str, str]:
        """A fresh, migrated database: the URLs of the role that runs Daybook and of the schema's owner."""
        name = f"bench_{next(self._numbers)}"
        self.as_superuser(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER daybook_owner")
        return (
            self.postgres.url(user="daybook_app", database=name),
            self.postgres.url(user="daybook_owner", database=name),
        )

    def as_superuser(self, statement: str) -> None:
        """Run one statement that Daybook's own roles may not."""
        url = self.postgres.url(user="postgres", database="postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def settle(self) -> None:
        """Write out what PostgreSQL has in memory, so that no checkpoint falls into a measurement."""
        self.as_superuser("CHECKPOINT")

    def server_settings(self) -> dict[str, str]:
        """What makes a commit durable, as the server says."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
        url = self.postgres.url(user="postgres", database="postgres")
        with psycopg.connect(url) as connection:
            rows = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
        return {name: str(row[0]) for name, row in zip(names, rows, strict=True) if row}

    # Processes.

    def role(self, name: str, settings: Settings) -> subprocess.Popen[bytes]:
        """Run a role as `daybook up` does, in a process of its own."""
        environment = {**os.environ, **settings.as_environment()}
        return self.process([sys.executable, "-m", "interfaces.cli.main", name], name, environment)

    def api(self, settings: Settings) -> subprocess.Popen[bytes]:
        """The api role, answering."""
        process = self.role("api", settings)
        until(lambda: _answers(settings.port), "the api role answers")
        return process

    def echo(self) -> tuple[int, subprocess.Popen[bytes]]:
        """The bare server that HTTP is compared with, answering: its port and process."""
        port = free_port()
        process = self.python("tests.bench.echo", str(port))
        until(lambda: _answers(port), "the echo answers")
        return port, process

    def python(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Run a module of the suite as a program."""
        argv = [sys.executable, "-m", module, *arguments]
        return self.process(argv, module.rpartition(".")[2], {**os.environ, **environment})

    def process(self, argv: list[str], name: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Any program; what it says goes to .bench/logs."""
        logs = OUTPUT / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / f"{name}.log").open("ab") as output:
            process = spawn(argv, env=environment, output=output)
        self._running.append(process)
        return process

    def stop_processes(self) -> None:
        """End all roles and echoes."""
        for process in self._running:
            stop(process, signals=[(signal.SIGTERM, 10.0)])
        self._running.clear()

    def meter(self, server: int, **others: int) -> Meter:
        """A meter of the server process, PostgreSQL, and others by name."""
        return Meter({"server": server, **others}, {"postgres": self.postgres.pid or 0})


@contextlib.contextmanager
def own_servers() -> Iterator[Bench]:
    """A Bench in a folder that is removed afterwards."""
    OUTPUT.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=OUTPUT)).absolute()
    folder.chmod(0o711)  # PostgreSQL's own user must get in when this runs as root
    bench = Bench(folder)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


def aside(work: Callable[..., T], *arguments: Any) -> T:
    """Do the work in a fresh process of its own and return its result."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def until(
    condition: Callable[[], Any], what: str, *, within: float = READY_WITHIN_S, every: float = 0.02
) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:.0f} s in vain until {what}; see .bench/logs")
        time.sleep(every)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code in (200, 503)
    except httpx.TransportError:
        return False
