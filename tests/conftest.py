"""Real servers for the tests: PostgreSQL and Redis, started once a session; a fresh database for each test."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
import redis
from argon2 import PasswordHasher
from msgspec import Struct

from infrastructure import passwords
from infrastructure.embedded import EmbeddedPostgres, EmbeddedRedis
from infrastructure.settings import Settings

MASTER_KEY = "bm8gb25lIGtub3dzIHRoZSBrZXkgb2YgdGhlIHRlc3Q="
"""32 bytes in base64."""

_TEMPLATE = "daybook_template"
_WORKERS_MOST = 4
"""Each has a PostgreSQL and a Redis of its own."""
_LONGEST_FIRST = (
    "tests/integration/test_whole_system.py",
    "tests/ledger/test_whole_ledger.py",
)
_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Keep what Python compiles, also where the environment says not to: tests start some hundred processes."""
    if sys.dont_write_bytecode and getattr(config, "cache", None) is not None:
        sys.dont_write_bytecode = False
        sys.pycache_prefix = str(config.cache.mkdir("bytecode"))
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each processor when folders are tested; none for single files, which are done before it is up."""
    if all(".py" in argument for argument in config.args):
        return 0
    return min(len(os.sched_getaffinity(0)), _WORKERS_MOST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker is left with one of them at the end."""
    places = {name: place for place, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.split("::", 1)[0], len(places)))


class Servers(Struct, frozen=True, kw_only=True):
    """The embedded servers of the session."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis


class Database(Struct, frozen=True, kw_only=True):
    """One migrated database, thrown away after its test."""

    app_url: str
    owner_url: str


@pytest.fixture(autouse=True, scope="module")
def _quick_passwords() -> Iterator[None]:
    """Argon2id at its least cost: hundreds of tests register and log in. `usual_passwords` is as it is in use."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture
def usual_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id at the cost that is in use, for what is made within the test."""
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher())


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="daybook-"))
    folder.chmod(0o711)  # so that PostgreSQL's own user gets in when the tests run as root
    found = Servers(postgres=EmbeddedPostgres(folder), redis=EmbeddedRedis(folder))
    try:
        found.postgres.start()
        _no_need_to_outlive_a_power_cut(found)
        found.redis.start()
        yield found
    finally:
        found.redis.stop()
        found.postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """The session's Redis, emptied."""
    with redis.Redis.from_url(servers.redis.url) as client:
        client.flushall()
    return servers.redis.url


@pytest.fixture(scope="session")
def database_template(servers: Servers) -> str:
    """The name of a migrated database to copy."""
    from infrastructure.postgres.migrate import migrate

    _as_superuser(servers, f"CREATE DATABASE {_TEMPLATE} OWNER daybook_owner")
    migrate(servers.postgres.url(user="daybook_owner", database=_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database(servers: Servers, database_template: str) -> Iterator[Database]:
    """A fresh, migrated database of this test's own."""
    with new_database(servers, database_template) as found:
        yield found


@pytest.fixture
def settings(database: Database, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a Daybook on this test's database, with a free port."""
    return Settings(
        database_url=database.app_url,
        owner_database_url=database.owner_url,
        redis_url=redis_url,
        master_key=MASTER_KEY,
        data_dir=tmp_path,
        port=free_port(),
    )


@contextmanager
def new_database(servers: Servers, template: str) -> Iterator[Database]:
    """A copy of the template, which is gone when the block ends."""
    name = f"daybook_test_{next(_numbers)}"
    # The files themselves are copied: through the log, which is the default, it takes three times as long.
    copying = f"TEMPLATE {template} STRATEGY file_copy OWNER daybook_owner"
    _as_superuser(servers, f"CREATE DATABASE {name} {copying}")
    yield Database(
        app_url=servers.postgres.url(user="daybook_app", database=name),
        owner_url=servers.postgres.url(user="daybook_owner", database=name),
    )
    _as_superuser(servers, f"DROP DATABASE {name} WITH (FORCE)")


def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _no_need_to_outlive_a_power_cut(servers: Servers) -> None:
    """Spare the disk: what a process wrote stays when it is killed, and these servers see no power cut.

    The servers that tests start for themselves, and kill, keep their configuration.
    """
    for setting in ("fsync", "full_page_writes"):
        _as_superuser(servers, f"ALTER SYSTEM SET {setting} = off")
    _as_superuser(servers, "SELECT pg_reload_conf()")


def _as_superuser(servers: Servers, statement: str) -> None:
    url = servers.postgres.url(user="postgres", database="postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
