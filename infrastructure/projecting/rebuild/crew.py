"""The processes that fold: each its own accounts, at low priority, noting what it has done as it goes."""

import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from typing import Any

from psycopg import Connection

from infrastructure.plain_logs import log_plainly
from infrastructure.postgres.connections import connect
from infrastructure.projecting.folding import FoldFailed
from infrastructure.projecting.rebuild import generations as g
from infrastructure.projecting.rebuild.aims import goals, lag
from infrastructure.projecting.rebuild.generations import Building
from infrastructure.projecting.rebuild.manner import NICENESS, Gait, Manner, yielding
from infrastructure.projecting.rebuild.share import Share
from infrastructure.projecting.rebuild.swapping import NEAR

PAUSED_LOOK_S = 0.25
LOOK_S = 0.2
APPLICATION = "daybook rebuild"

Look = Callable[[], None]


def fold_here(url: str, buildings: Sequence[Building], look: Look, *, manner: Manner) -> None:
    """Fold everything in this process. `look` is called after each chunk."""
    with connect(url, application=APPLICATION) as connection, _without_collecting():
        for _ in _fold(yielding(connection), buildings, worker=0, workers=1, manner=manner):
            look()


def fold_by_processes(
    url: str, buildings: Sequence[Building], look: Look, *, workers: int, manner: Manner
) -> None:
    """The same by so many processes. `look` is called several times a second. Raises WorkerFailed."""
    context = multiprocessing.get_context("spawn")
    last_words = context.SimpleQueue()
    crew: list[SpawnProcess] = []
    try:
        for number in range(workers):
            order = (url, list(buildings), number, workers, manner, last_words)
            process = context.Process(target=_work, args=order, daemon=True)
            process.start()
            crew.append(process)  # only now: what could not be started cannot be ended
        while any(process.is_alive() for process in crew):
            if any(process.exitcode for process in crew):
                break
            look()
            time.sleep(LOOK_S)
    finally:
        codes = [process.exitcode for process in crew]  # before we end the others ourselves
        for process in crew:
            process.terminate()
            process.join()
    if any(codes):
        why = f"; its last words: {last_words.get()}" if not last_words.empty() else ""
        raise WorkerFailed(f"a worker ended {_how(next(filter(None, codes)))}{why}")


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"


class WorkerFailed(Exception):
    """A process that folded has died."""


def _work(
    url: str,
    buildings: list[Building],
    worker: int,
    workers: int,
    manner: Manner,
    last_words: "SimpleQueue[str]",
) -> None:
    os.nice(NICENESS)
    log_plainly()
    try:
        _work_on(url, buildings, worker, workers, manner)
    except Exception as error:  # noqa: BLE001 - told by whoever started us
        last_words.put(repr(error)[:500])
        sys.exit(1)


def _work_on(url: str, buildings: list[Building], worker: int, workers: int, manner: Manner) -> None:
    parent = multiprocessing.parent_process()
    with connect(url, application=APPLICATION) as connection, _without_collecting():
        for _ in _fold(yielding(connection), buildings, worker=worker, workers=workers, manner=manner):
            if parent is not None and not parent.is_alive():
                return


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Rows in memory form no cycles, but looking for some took half of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _fold(
    connection: Connection[Any], buildings: Sequence[Building], *, worker: int, workers: int, manner: Manner
) -> Iterator[None]:
    """Fold chunk by chunk until all that did not fail is near its goal; wait while it is paused."""
    share, gait = Share(connection, buildings, worker=worker, workers=workers), Gait(connection, manner)
    while far := _far(connection, share):
        wanted = [name for name, state in far.items() if state == "building"]
        if wanted:
            began, share.chunk = time.monotonic(), gait.chunk
            _step(connection, share, wanted)
            gait.rest(time.monotonic() - began)
        else:
            time.sleep(PAUSED_LOOK_S)
        yield


def _step(connection: Connection[Any], share: Share, wanted: Sequence[str]) -> None:
    aims = {at: aim for name in wanted for at, aim in goals(connection, share.buildings[name]).items()}
    try:
        share.step(aims, names=wanted)
    except FoldFailed as failure:
        g.fail(connection, share.buildings[failure.projection], str(failure))


def _far(connection: Connection[Any], share: Share) -> dict[str, str]:
    """The states of those that still have far to go and did not fail."""
    states = {name: g.state_of(connection, building) for name, building in share.buildings.items()}
    return {
        name: state
        for name, state in states.items()
        if state != "failed" and _is_far(connection, share, name)
    }


def _is_far(connection: Connection[Any], share: Share, name: str) -> bool:
    building = share.buildings[name]
    lanes = share.lanes(building)
    return bool(lanes) and lag(lanes, goals(connection, building)) > NEAR
