"""A Daybook of one's own: started for a while on a free port, in a folder that is removed afterwards."""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

READY_WITHIN_S = 60.0
DAY_IN_TWO_SECONDS = "11700"


class InstanceDidNotStart(Exception):
    """A Daybook that was started for a while did not become ready. The text has the end of its output."""

    operator_message = True


@contextmanager
def own_instance(*flags: str) -> Iterator[str]:
    """Start `daybook up --demo` on real daily prices, wait until it is ready, and end it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="daybook-day-"))
    folder.chmod(0o711)  # PostgreSQL's own user must get in when this runs as root
    base_url = f"http://127.0.0.1:{free_port()}"
    try:
        with (folder / "output").open("wb") as output:
            process = _start(folder, base_url.rpartition(":")[2], flags, output)
            try:
                _wait_until_ready(process, base_url, folder)
                yield base_url
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path, port: str, flags: tuple[str, ...], output: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "interfaces.cli.main", "up", "--demo", "--source", "replay"]
    command += ["--speed", DAY_IN_TWO_SECONDS, "--port", port, "--data-dir", str(folder / "data"), *flags]
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # type: ignore[call-overload, no-any-return]  # noqa: S603


def _wait_until_ready(process: "subprocess.Popen[bytes]", base_url: str, folder: Path) -> None:
    """Ready is when the demo's customers are there: the last thing a start does."""
    deadline = time.monotonic() + READY_WITHIN_S
    while b"Place an order" not in (folder / "output").read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise InstanceDidNotStart((folder / "output").read_text()[-2000:])
        time.sleep(0.1)
    httpx.get(f"{base_url}/health", timeout=5)
