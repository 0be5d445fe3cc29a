"""Rebuilds in processes of their own, to be killed in a phase that was chosen beforehand.

A process is forked from a server that has read the code already, so that hundreds of them start in little time. It is
the leader of its own group: it dies together with the processes that fold for it.
"""

import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Literal

import structlog
from msgspec import Struct

from domain.errors import Refusal
from infrastructure.projecting.operating import rebuild_all, roll_back
from infrastructure.projecting.rebuild.manner import Manner
from infrastructure.projecting.rebuild.reports import Report

Moment = Literal["any", "folding", "indexing", "comparing", "swapping", "rolling back"]

MOMENTS: tuple[Moment, ...] = (
    *("any", "any", "folding", "folding", "indexing", "comparing"),
    *("swapping", "swapping", "swapping", "rolling back"),
)
SOON_S: dict[Moment, float] = {"indexing": 0.006, "comparing": 0.02, "swapping": 0.004, "rolling back": 0.03}
"""How long after its moment a victim is killed, on average: about half as long as the phase lasts."""

LONGEST_S = 60.0
SMALL = Manner(chunk=400, short=0)
"""A short log is folded in many chunks, and by several processes when they are asked for."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["infrastructure.projecting.operating", "infrastructure.projecting.runner"])


class Plan(Struct, frozen=True, kw_only=True):
    """What a victim does, and when it is killed: so long after the table with this number reached the moment."""

    names: list[str]
    moment: Moment
    table: int
    after_s: float
    parallel: int = 1
    fresh: bool = False


class Killed(Struct, frozen=True, kw_only=True):
    """What became of it. `phase` is what it had said last; `was_alive` is false when it ended before."""

    was_alive: bool
    phase: str


def plan(chance: random.Random, names: tuple[str, ...]) -> Plan:
    """A moment: now and then any, else within a phase of one of the tables."""
    moment = chance.choice(MOMENTS)
    soon = chance.expovariate(1 / SOON_S[moment]) if moment in SOON_S else chance.uniform(0, 1.5)
    many = chance.random() < 0.25 and moment in ("any", "folding")
    return Plan(
        names=list(names),
        moment=moment,
        table=chance.randint(1, len(names)),
        after_s=soon,
        parallel=2 if many else 1,
        fresh=chance.random() < 0.3,
    )


def kill_one(url: str, wanted: Plan) -> Killed:
    """Start it, wait for its moment, and kill it with all that it has started."""
    here, there = _processes.Pipe(duplex=False)
    work = _roll_back if wanted.moment == "rolling back" else _rebuild
    victim = _processes.Process(target=work, args=(url, wanted, there))
    victim.start()
    there.close()
    phase = _until(here, wanted)
    time.sleep(wanted.after_s)
    was_alive = victim.is_alive()
    with suppress(ProcessLookupError):
        os.killpg(victim.pid or 0, signal.SIGKILL)
    victim.join()
    phase = _last(here, phase)
    victim.close()
    return Killed(was_alive=was_alive, phase=phase)


def _until(reports: Connection, wanted: Plan) -> str:
    """Wait for the moment, or for the end."""
    number, phase = 0, "starting"
    with suppress(EOFError):
        while reports.poll(LONGEST_S):
            phase = reports.recv()
            number += phase == wanted.moment or wanted.moment in ("any", "folding", "rolling back")
            if number and (
                phase == "folding" or number >= wanted.table or wanted.moment in ("any", "rolling back")
            ):
                return phase
        raise TimeoutError(f"{wanted} did not come to its moment; it was {phase}")
    return phase


def _last(reports: Connection, phase: str) -> str:
    with suppress(EOFError, OSError):
        while reports.poll():
            phase = reports.recv()
    reports.close()
    return phase


def _begin() -> None:
    os.setsid()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))


def _rebuild(url: str, wanted: Plan, reports: Connection) -> None:
    _begin()
    said = {"phase": ""}

    def report(one: Report) -> None:
        if one.phase != said["phase"]:
            said["phase"] = one.phase
            reports.send(one.phase)

    rebuild_all(
        url, wanted.names, parallel=wanted.parallel, fresh=wanted.fresh, manner=SMALL, progress=report
    )


def _roll_back(url: str, wanted: Plan, reports: Connection) -> None:
    """Again and again, there and back, until it is killed; it ends when there is no table before."""
    _begin()
    while True:
        try:
            reports.send("rolling back")
            roll_back(url, wanted.names[wanted.table - 1])
        except Refusal as refusal:
            if refusal.code == "previous_table_must_exist":
                return
            time.sleep(0.02)  # PostgreSQL has not noticed yet that the one before is dead
