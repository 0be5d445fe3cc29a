"""`daybook up`: one per data folder, heals what dies, leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.embedded.folder import NoDaybookRuns, find_servers
from infrastructure.settings import Settings
from interfaces.supervised import Pauses
from interfaces.supervisor import free_port

UP = """
import sys
from pathlib import Path
from infrastructure.settings import Settings
from interfaces.supervisor import up
sys.exit(up(Settings(data_dir=Path(sys.argv[1]), port=0, projectors=2), roles=sys.argv[2:]))
"""


class Up:
    """A `daybook up` in a process of its own, with the given roles only."""

    def __init__(self, data_dir: Path, *roles: str) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [sys.executable, "-c", UP, str(data_dir), *roles],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @property
    def pids(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads((self.data_dir / "pids.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output.decode()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Up]:
    daybook = Up(tmp_path / "data", "scheduler")
    try:
        until(lambda: "scheduler" in daybook.pids)
        yield daybook
    finally:
        daybook.end(signal.SIGKILL)


def test_a_stop_ends_everything_within_five_seconds_and_exits_clean(running: Up) -> None:
    children = running.pids
    began = time.monotonic()

    code, output = running.end(signal.SIGTERM)

    assert code == 0, output
    assert time.monotonic() - began < 5
    assert not alive(children)
    assert running.pids == {}


def test_as_many_projectors_run_as_are_asked_for(tmp_path: Path) -> None:
    daybook = Up(tmp_path / "data", "projector")
    try:
        until(lambda: {"projector", "projector-2"} <= daybook.pids.keys())
        until(lambda: len(alive(daybook.pids)) == 5)
    finally:
        code, output = daybook.end(signal.SIGTERM)

    assert code == 0, output


def test_killing_the_supervisor_leaves_no_orphan(running: Up) -> None:
    children = running.pids
    assert alive(children) == {"supervisor", "postgres", "redis", "scheduler"}

    running.end(signal.SIGKILL)

    until(lambda: not alive(children))


def test_what_dies_is_started_again(running: Up) -> None:
    before = running.pids

    for name in ("postgres", "redis", "scheduler"):
        os.kill(before[name], signal.SIGKILL)

    until(lambda: all(running.pids[name] != before[name] for name in ("postgres", "redis", "scheduler")))
    assert running.pids["supervisor"] == before["supervisor"]


def test_a_second_daybook_on_the_same_folder_is_refused(running: Up) -> None:
    second = Up(running.data_dir)
    output, _ = second.process.communicate(timeout=60)

    assert second.process.returncode == 2
    assert f"another Daybook runs on this data folder (pid {running.pids['supervisor']})" in output.decode()


def test_a_role_alone_finds_the_servers_of_the_daybook_that_runs(running: Up) -> None:
    found = find_servers(running.data_dir)

    assert found.keys() == {
        "database_url",
        "owner_database_url",
        "redis_url",
        "master_key_file",
        "clock",
        "calendar",
    }
    assert Path(found["master_key_file"]).stat().st_mode & 0o777 == 0o600
    running.end(signal.SIGTERM)
    with pytest.raises(NoDaybookRuns):
        find_servers(running.data_dir)


def test_a_role_alone_without_servers_is_refused_in_one_line(tmp_path: Path) -> None:
    code, output = daybook("projector", "--data-dir", tmp_path)

    assert code == 2
    assert output.startswith("daybook: no `daybook up` runs on the data folder")
    assert output.count("\n") == 1


def test_a_busy_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = daybook("up", "--port", port, "--data-dir", tmp_path)

    assert code == 2
    assert f"port {port} on 127.0.0.1" in output
    assert not (tmp_path / "postgres").exists()


def test_a_wrong_setting_is_refused_in_one_line() -> None:
    code, output = daybook("api", DAYBOOK_PORT="eighty")

    assert code == 2
    assert output.startswith("daybook: DAYBOOK_PORT cannot be used: ")
    assert output.count("\n") == 1


def test_a_role_that_cannot_run_as_told_ends_everything_in_one_line(tmp_path: Path) -> None:
    code, output = daybook("up", "--data-dir", tmp_path / "data", "--port", 0, "--symbols", 0)

    assert code == 2
    assert "DAYBOOK_MARKET_SYMBOLS must be 1 to 10000, not 0" in output
    assert "Traceback" not in output
    assert not (tmp_path / "data" / "pids.json").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--port", 99999), "DAYBOOK_PORT must be from 0 to 65535, not 99999"),
        (("--database-url", "nonsense"), "DAYBOOK_DATABASE_URL is no PostgreSQL URL"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_in_one_line(flags: tuple[object, ...], said: str) -> None:
    code, output = daybook("up", *flags)

    assert (code, output.count("\n")) == (2, 1)
    assert said in output


def test_the_pause_before_a_restart_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    pauses = Pauses()

    waited = []
    for _ in range(7):
        died = now
        while not pauses.is_over():
            now += 0.01
        waited.append(now - died)
        pauses.started()

    assert waited == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], abs=0.02)


def test_port_zero_means_any_free_port() -> None:
    assert free_port(Settings().host, 0) > 1023


def daybook(*arguments: object, **environment: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def alive(pids: dict[str, int]) -> set[str]:
    """The names of those that run; one that ended but was not yet waited for does not."""
    return {name for name, pid in pids.items() if _state(pid) not in {"", "Z", "X"}}


def _state(pid: int) -> str:
    try:
        status: Any = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return str(status.rpartition(")")[2].split()[0])


def until(done: Callable[[], bool], *, seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.02)
