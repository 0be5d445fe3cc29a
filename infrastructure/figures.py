"""What a process counts about itself, for `/metrics`.

Counting is an addition under a lock, done once a batch or once a refusal, never once a request. Whatever is not
counted but simply is, such as a queue's length, is asked for when somebody looks (`watch`). One process has one
set of figures. What each is called is in `FAMILIES`.
"""

import os
import resource
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct


class Family(Struct, frozen=True):
    """Figures of one name. `label` tells them apart within a process, when there are several."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    label: str | None = None


SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

FAMILIES: dict[str, Family] = {
    "commits": Family("counter", "Transactions that appended to the log."),
    "commands": Family("counter", "Commands that were carried out or refused."),
    "events": Family("counter", "Events that were appended to the log."),
    "refusals": Family("counter", "Commands that were refused, by their code.", "code"),
    "batch_commands": Family("histogram", "Commands of one batch."),
    "commands_waiting": Family("gauge", "Commands in the queue."),
    "requests_being_served": Family("gauge", "Requests that wait for their answer."),
    "deeds_waiting": Family("gauge", "Deeds that are yet to be written."),
    "deeds_lost": Family("counter", "Refusals of our own roles that were not kept, for want of room."),
    "unavailable_answers": Family("counter", "Answers with status 503, by their code.", "code"),
    "ticks": Family("counter", "Ticks of the market that were worked off."),
    "quotes": Family("counter", "Quotes that were worked off."),
    "fills": Family("counter", "Executions that were booked."),
    "lease_changes": Family("counter", "How often this process took or lost a lease.", "lease"),
    "leases_held": Family("gauge", "1 for a lease that this process holds.", "lease"),
    "projector_events": Family("counter", "Events that batches went through, by projection.", "projection"),
    "projector_failures": Family("counter", "Batches that could not be folded, by projection.", "projection"),
    "surveillance_position": Family("gauge", "Log position that surveillance has read up to."),
    "process_memory_bytes": Family("gauge", "Resident memory."),
    "process_cpu_seconds": Family("counter", "Processor time used."),
    "process_started_seconds": Family("gauge", "When the process began, in seconds since 1970."),
}
"""Every figure that a process tells, by name. `/metrics` puts `daybook_` before it, and `_total` after a counter."""

Key = tuple[str, str]
"""A name and its label's value, or an empty text."""


class Told(Struct, frozen=True, kw_only=True):
    """Everything that one process says. Sizes are counts up to each of `SIZES`, then of all, then their sum."""

    role: str
    process: str
    values: list[tuple[str, str, float]]
    sizes: list[float]


class Figures:
    """The set of one process. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Key, float] = {}
        self._sizes = [0] * (len(SIZES) + 1)
        self._sum = 0
        self._watched: dict[Key, Callable[[], float]] = {}
        self._began = time.time()

    def add(self, name: str, number: float = 1, of: str = "") -> None:
        """Count."""
        key = (name, of)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + number

    def note(self, name: str, value: float, of: str = "") -> None:
        """How something is from now on."""
        with self._lock:
            self._counts[name, of] = value

    def size(self, commands: int) -> None:
        """A batch of so many commands."""
        with self._lock:
            self._sizes[bisect_left(SIZES, commands)] += 1
            self._sum += commands

    def watch(self, name: str, ask: Callable[[], float], of: str = "") -> None:
        """Something to be asked for when somebody looks."""
        with self._lock:
            self._watched[name, of] = ask

    def count(self, name: str, of: str = "") -> float:
        """What was counted so far."""
        return self._counts.get((name, of), 0)

    def told(self, role: str) -> Told:
        """All of it, now."""
        with self._lock:
            counts, sizes, watched = dict(self._counts), list(self._sizes), dict(self._watched)
        counts |= {key: ask() for key, ask in watched.items()} | self._process()
        running, up_to = 0, []
        for number in sizes:
            running += number
            up_to.append(float(running))
        return Told(
            role=role,
            process=f"{socket.gethostname()}:{os.getpid()}",
            values=[(name, of, float(value)) for (name, of), value in counts.items()],
            sizes=[*up_to, float(self._sum)],
        )

    def _process(self) -> dict[Key, float]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            ("process_memory_bytes", ""): resident_bytes(),
            ("process_cpu_seconds", ""): used.ru_utime + used.ru_stime,
            ("process_started_seconds", ""): self._began,
        }


def resident_bytes() -> int:
    """Memory that this process holds; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


FIGURES = Figures()
