"""The pieces of the supervisor: one role's process, the pause before a restart, and the terminal they share."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Literal

from infrastructure.embedded.children import kill, spawn

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_HEALTHY_SECONDS = 10.0
_LONGEST_LINE = 65_536


class Pauses:
    """When something that died may be started again: after 0.2 s, then twice as long each time, up to 5 s."""

    def __init__(self) -> None:
        self._pause = _FIRST_PAUSE
        self._started = time.monotonic()
        self._due: float | None = None

    def started(self) -> None:
        self._started = time.monotonic()
        self._due = None

    def is_over(self) -> bool:
        """Ask while it is dead; the first question after a death begins the pause."""
        now = time.monotonic()
        if self._due is None:
            if now - self._started >= _HEALTHY_SECONDS:
                self._pause = _FIRST_PAUSE
            self._due = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return now >= self._due


class Terminal:
    """Standard output, shared: lines of text with the role in front, or JSON lines as the roles write them."""

    def __init__(self, *, log_format: Literal["text", "json"]) -> None:
        self._is_text = log_format == "text"
        self._pipes = selectors.DefaultSelector()

    @property
    def output_of_roles(self) -> int | None:
        """What `spawn` connects a role's output to."""
        return subprocess.PIPE if self._is_text else None

    def follow(self, name: str, pipe: IO[bytes] | None) -> None:
        """Show what a role writes, from now on."""
        if pipe is not None:
            descriptor = os.dup(pipe.fileno())
            pipe.close()
            os.set_blocking(descriptor, False)
            self._pipes.register(descriptor, selectors.EVENT_READ, (name, bytearray()))

    def pump(self, *, seconds: float) -> None:
        """Show what the roles wrote; wait up to `seconds` for the first of it."""
        if not self._pipes.get_map():
            time.sleep(seconds)
        for key, _ in self._pipes.select(seconds):
            name, buffer = key.data
            text = self._read(key.fd)
            if text == b"":
                self._pipes.unregister(key.fileobj)
                os.close(key.fd)
            buffer += text or b""
            *lines, rest = buffer.split(b"\n")
            if text == b"" or len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, *([rest] if rest else [])], bytearray()
            buffer[:] = rest
            self._write(b"".join(b"%-12s | %s\n" % (name.encode(), line) for line in lines))

    def say(self, event: str, *, level: str = "info") -> None:
        """One line of the supervisor's own."""
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if self._is_text:
            line = f"{'daybook':<12} | {at} {level:<7} {event}"
        else:
            line = json.dumps({"event": event, "level": level, "timestamp": at, "role": "daybook"})
        self._write(f"{line}\n".encode())

    def show(self, text: str) -> None:
        """Text as it is."""
        self._write(f"{text.rstrip()}\n".encode())

    @staticmethod
    def _read(descriptor: int) -> bytes | None:
        try:
            return os.read(descriptor, _LONGEST_LINE)
        except BlockingIOError:
            return None

    @staticmethod
    def _write(text: bytes) -> None:
        try:
            while text:
                text = text[os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, text) :]
        except OSError:
            return  # nobody reads any more; that is no reason to stop the brokerage


class RoleProcess:
    """One role as a child process. `name` tells apart those that run the same role."""

    def __init__(
        self, role: str, *, environment: Mapping[str, str], terminal: Terminal, name: str | None = None
    ) -> None:
        self.role = role
        self.name = name or role
        self.pauses = Pauses()
        self._environment = environment
        self._terminal = terminal
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it; when this process is killed, the role gets SIGTERM."""
        self._process = spawn(
            [sys.executable, "-m", "interfaces.cli.main", self.role],
            env=self._environment,
            output=self._terminal.output_of_roles,
            death_signal=signal.SIGTERM,
        )
        self._terminal.follow(self.name, self._process.stdout)
        self.pauses.started()

    def poll(self) -> int | None:
        """None while it runs, else its exit code."""
        return 0 if self._process is None else self._process.poll()

    def terminate(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            kill(self._process)
