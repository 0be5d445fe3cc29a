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

from application.expected import TellTheOperator

READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 30.0
DAY_IN_TWO_SECONDS = "11700"
READY = b"Place an order"
"""What `daybook up --demo` prints last when it starts."""


class InstanceDidNotStart(TellTheOperator):
    """A Daybook that was started for a while did not become ready. The text has the end of its output."""


class Instance:
    """`daybook up --demo` on replayed daily prices, as a child process, its data in `folder`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        port = free_port()
        self.base_url = f"http://127.0.0.1:{port}"
        self.data_dir = folder / "data"
        self.output = folder / "output"
        self._command = [sys.executable, "-m", "interfaces.cli.main", "up", "--demo", "--source", "replay"]
        self._command += ["--speed", DAY_IN_TWO_SECONDS, "--port", str(port)]
        self._command += ["--data-dir", str(self.data_dir), *flags]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready. Raises InstanceDidNotStart."""
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        deadline = time.monotonic() + READY_WITHIN_S
        while READY not in self.output.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise InstanceDidNotStart(self.output.read_text()[-2000:])
            time.sleep(0.1)

    def stop(self) -> tuple[int | None, float]:
        """End it with SIGTERM. Returns its exit code, and how many seconds the end took."""
        if self._process is None:
            return None, 0.0
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=ENDS_WITHIN_S)
        return code, time.monotonic() - began


@contextmanager
def own_instance(*flags: str) -> Iterator[Instance]:
    """A running instance, ended and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="daybook-day-"))
    folder.chmod(0o711)  # PostgreSQL's own user must get in when this runs as root
    instance = Instance(folder, *flags)
    try:
        instance.start()
        yield instance
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
