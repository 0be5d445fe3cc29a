"""PostgreSQL and Redis as our own children: durable, private, and gone when we are."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from infrastructure.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerDidNotStart

# Given to a process of its own: takes root's power to enter any folder away from itself, as containers do.
WITHOUT_THE_CAPABILITY = """
import ctypes, struct, sys
from pathlib import Path
from infrastructure.embedded import EmbeddedPostgres

everything_else = 0xFFFFFFFF & ~(1 << 2)
libc = ctypes.CDLL(None, use_errno=True)
header = struct.pack("Ii", 0x20080522, 0)
data = ctypes.create_string_buffer(24)
assert libc.capget(header, data) == 0
words = struct.unpack("6I", data.raw[:24])
assert libc.capset(header, struct.pack("6I", *(word & everything_else for word in words[:3]), *words[3:])) == 0
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
server.stop()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


@pytest.fixture
def private_folder(tmp_path: Path) -> Path:
    """A folder that nobody but its owner may enter, as /root is."""
    tmp_path.chmod(0o700)
    return tmp_path / "clone"


@pytest.fixture
def postgres(private_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(private_folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_postgres_syncs_listens_on_no_port_and_its_roles_are_no_superusers(
    postgres: EmbeddedPostgres,
) -> None:
    asked = "fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "is_superuser"

    for url in (postgres.owner_url, postgres.app_url):
        found = [value(url, f"SHOW {setting}") for setting in asked]

        assert found == ["on", "on", "on", "", "off"]


def test_committed_rows_survive_a_killed_postgres(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.owner_url) as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (7)")

    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    until(lambda: postgres.poll() is not None)
    assert postgres.restart_if_dead()

    assert value(postgres.owner_url, "SELECT number FROM kept") == 7
    assert not postgres.restart_if_dead()


def test_rows_survive_a_stop_and_a_lock_file_that_names_somebody_elses_process(private_folder: Path) -> None:
    first = EmbeddedPostgres(private_folder)
    first.start()
    with psycopg.connect(first.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    first.stop()
    (private_folder / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getppid()}\n")

    second = EmbeddedPostgres(private_folder)
    second.start()

    assert value(second.owner_url, "SELECT number FROM kept") == 7
    second.stop()


def test_a_data_folder_too_deep_for_a_socket_works(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    server = EmbeddedRedis(deep)
    server.start()

    with redis.Redis.from_url(server.url) as client:
        assert client.ping()
    assert str(deep) not in server.url

    server.stop()
    shutil.rmtree(Path(server.url.removeprefix("unix://")).parent)


def test_redis_starts_again_with_what_it_held_and_without_a_file_it_cannot_read(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("kept", "7")
    server.stop()
    assert server.restart_if_dead()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"7"
    server.stop()

    (tmp_path / "redis" / "appendonly.aof").write_text("rubbish")
    server.start()

    with redis.Redis.from_url(server.url) as client:
        assert client.get("kept") is None
    server.stop()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    server.stop()
    with (tmp_path / "postgres" / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")

    with pytest.raises(EmbeddedServerDidNotStart, match="no_such_setting"):
        server.start()


@as_root
def test_root_gives_postgres_to_another_user_who_gains_nothing_but_the_way_in(
    postgres: EmbeddedPostgres,
) -> None:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{postgres.pid}/status").read_text().splitlines()
    )

    assert "0" not in status["Uid"].split("\t")
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 1 << 2


@as_root
def test_without_that_capability_the_server_moves_out_of_a_private_folder(private_folder: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_THE_CAPABILITY, str(private_folder)]
    for _ in range(2):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    elsewhere = (private_folder / "postgres").resolve()
    assert (elsewhere / "data" / "PG_VERSION").exists()
    shutil.rmtree(elsewhere)
    with contextlib.suppress(OSError):
        elsewhere.parent.rmdir()


def value(url: str, query: str) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def until(done: Callable[[], bool], *, seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.01)
