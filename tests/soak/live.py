"""Projectors that are killed while they fold: whatever they were doing, every table must be the fold of the log."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerProcess

from msgspec import Struct

from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.sharing import members
from infrastructure.projecting.standing import live_lanes
from infrastructure.projecting.verifying import verify
from projections.catalogue import PROJECTIONS
from tests.soak.rebuild_log import lengthen

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["infrastructure.projecting.runner", "projections.catalogue"])


class Soaked(Struct, frozen=True, kw_only=True):
    """What the killing came to."""

    kills: int
    events: int
    kills_in_a_batch: int
    wrong: list[str]


def project(url: str, partitions: int, batch: int) -> None:
    """A projector in a process of its own, until it is killed."""
    Projector(url, PROJECTIONS, wake=threading.Event(), partitions=partitions, batch=batch).run(
        threading.Event()
    )


def start(url: str, *, partitions: int = 1, batch: int = 2000) -> ForkServerProcess:
    """Begin one."""
    process = _processes.Process(target=project, args=(url, partitions, batch), daemon=True)
    process.start()
    return process


@contextmanager
def started(
    url: str, number: int, *, partitions: int, batch: int = 2000
) -> Iterator[list[ForkServerProcess]]:
    """So many projectors, killed at the end."""
    found = [start(url, partitions=partitions, batch=batch) for _ in range(number)]
    try:
        yield found
    finally:
        for process in found:
            process.kill()
            process.join()


def soak(
    url: str, *, kills: int, partitions: int, seed: int, say: Callable[[str], None] = lambda _: None
) -> Soaked:
    """Kill one of two projectors at a random moment, again and again, while the log grows; then look at everything."""
    chance, in_a_batch, now = random.Random(seed), 0, partitions
    with started(url, 2, partitions=partitions, batch=100) as projectors:
        for number in range(kills):
            lengthen(url, end_of(url) + chance.randint(200, 1500))
            if chance.random() < 0.8:
                wait_for_a_batch(url)
            time.sleep(chance.random() * 0.1)
            victim = chance.randrange(2)
            in_a_batch += _is_writing(url)
            kill(projectors[victim], signal.SIGKILL)
            if chance.random() < 0.4:  # with another number all begin anew
                kill(projectors[1 - victim], signal.SIGKILL)
                now = chance.randint(1, partitions)
                projectors[1 - victim] = start(url, partitions=now, batch=100)
            projectors[victim] = start(url, partitions=now, batch=100)
            if number % 10 == 9:
                say(f"{number + 1} kills, {end_of(url)} events")
    return Soaked(kills=kills, events=end_of(url), kills_in_a_batch=in_a_batch, wrong=wrong(url))


def wait_for_a_batch(url: str) -> None:
    """Wait until somebody is in the middle of one, or there is nothing to do."""
    with suppress(AssertionError):
        until(lambda: _is_writing(url), 3)


def wrong(url: str) -> list[str]:
    """Bring everything up to the log, and say what is not its fold."""
    until(lambda: not _projecting(url), 60)
    Projector(url, PROJECTIONS, wake=threading.Event()).catch_up()
    found = verify(url, PROJECTIONS, rows=True)
    return [f"{one}" for one in found if not one.is_right or one.parked or one.position != end_of(url)]


def kill(process: ForkServerProcess, number: signal.Signals) -> None:
    """Send a signal, and wait for the end when it is one that ends."""
    os.kill(process.pid or 0, number)
    if number == signal.SIGKILL:
        process.join()


def failover(url: str, number: signal.Signals, *, patience: float = 60) -> float:
    """Seconds until events that came after one of two projectors was hit are folded everywhere."""
    with started(url, 2, partitions=2) as projectors:
        until(lambda: leaseholders(url) == 2 and min(positions(url), default=-1) == end_of(url), patience)
        kill(projectors[0], number)
        hit = time.monotonic()
        end = lengthen(url, end_of(url) + 500)
        until(lambda: min(positions(url)) >= end, patience)
        return time.monotonic() - hit


def until(met: Callable[[], bool], patience: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def positions(url: str) -> Sequence[int]:
    """Where the live lanes stand."""
    with connect(url, application="soak") as connection:
        return [lane.position for lane in live_lanes(connection)]


def leaseholders(url: str) -> int:
    """How many processes hold leases of partitions."""
    with connect(url, application="soak") as connection:
        row = connection.execute(
            "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND a.datname = current_database()"
            " AND a.application_name = 'daybook projector leases'"
        ).fetchone()
    return row[0] if row else 0


def end_of(url: str) -> int:
    """Where the log ends."""
    with connect(url, application="soak") as connection:
        return last_row(connection)[0]


def _projecting(url: str) -> dict[int, int]:
    with connect(url, application="soak") as connection:
        return members(connection)


def _is_writing(url: str) -> bool:
    with connect(url, application="soak") as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'daybook projector' AND xact_start IS NOT NULL"
        ).fetchone()
    return bool(row and row[0])
