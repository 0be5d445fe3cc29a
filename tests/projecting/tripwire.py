"""A projection that does what a test wants while it folds, and ways to disturb and await."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from domain.aggregate import Event
from domain.facts import TOPICS
from infrastructure.postgres.connections import connect
from infrastructure.projecting.runner import Projector
from projections.projection import Fact, Key, Projection, Rows, on


class Seen(Struct):
    """How many events of a kind there were, and the last of them."""

    topic: str
    count: int
    log_position: int


class Tripwire(Projection):
    """Counts events by topic, and calls `act` before each."""

    name = "tripwire"
    version = 1
    row = Seen
    key_columns = ("topic",)

    def __init__(self, act: Callable[[Fact], object] = lambda _: None) -> None:
        self.act = act

    def key(self, event: Event, fact: Fact) -> Key:
        return (fact.topic,)

    @on(*TOPICS)
    def anything(self, event: Event, rows: Rows[Seen]) -> None:
        fact = rows.fact
        self.act(fact)
        row = rows.get((fact.topic,)) or rows.add((fact.topic,), Seen(fact.topic, 0, 0))
        row.count += 1
        row.log_position = fact.log_position


class Once:
    """Does something when it first meets the event at a position."""

    def __init__(self, position: int, act: Callable[[], object]) -> None:
        self.position, self.act, self.done = position, act, False

    def __call__(self, fact: Fact) -> None:
        if fact.log_position == self.position and not self.done:
            self.done = True
            self.act()


def counted(url: str) -> list[tuple[str, int, int]]:
    """The tripwire's table."""
    with connect(url, application="test") as connection:
        return connection.execute(
            "SELECT topic, count, log_position FROM read.tripwire ORDER BY topic"
        ).fetchall()


def count(facts: Sequence[Fact]) -> list[tuple[str, int, int]]:
    """What the tripwire's table must be."""
    found: dict[str, list[int]] = {}
    for fact in facts:
        found.setdefault(fact.topic, []).append(fact.log_position)
    return sorted((topic, len(positions), positions[-1]) for topic, positions in found.items())


@contextmanager
def running(*projectors: Projector) -> Iterator[None]:
    """Projectors at work in threads of their own."""
    stop = threading.Event()
    threads = [threading.Thread(target=projector.run, args=(stop,)) for projector in projectors]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def until(met: Callable[[], object], *, patience: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def positions(url: str) -> dict[str, int]:
    """How far each projection has come."""
    with connect(url, application="test") as connection:
        return dict(connection.execute("SELECT name, position FROM projections").fetchall())


def terminate(servers: Any, application: str) -> int:
    """Cut the connections of this name, and say how many there were."""
    with connect(servers.postgres.url(user="postgres", database="postgres"), application="cutter") as one:
        found = one.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = %s",
            (application,),
        )
        return found.rowcount
