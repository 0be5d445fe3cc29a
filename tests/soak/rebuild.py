"""Kill a rebuild at random moments, again and again: `python -m tests.soak.rebuild --kills 200`.

Each round starts a rebuild as the command line does, or a way back, in a process of its own, kills it with all
its workers in the middle of a phase that is drawn beforehand, or at any moment, and looks at what is left: every
live table must be the fold of the log up to its position. Customers go on trading and the projector goes
on projecting all the while. In the end a rebuild is left alone, and must find every table equal.
"""

import argparse
import contextlib
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from infrastructure.projecting.operating import rebuild_all
from infrastructure.projecting.runner import Projector
from projections.catalogue import BY_NAME, PROJECTIONS
from tests.projecting.worked import Desk, deposit
from tests.soak.live import end_of
from tests.soak.projections import database
from tests.soak.rebuild_fold import NaiveLog
from tests.soak.rebuild_log import lengthen
from tests.soak.victims import kill_one, plan

TABLES = ("balances", "activity", "holders", "history")
"""One that changes rows, one that only adds, one that removes, one that writes rows it has not read."""


class Tally(Struct):
    """What has happened so far; kills by the phase that the victim was in."""

    kills: int = 0
    ended: int = 0
    events: int = 0
    kills_in: dict[str, int] = {}
    wrong: list[str] = []

    def add(self, phase: str, *, was_alive: bool) -> None:
        """One more round."""
        if was_alive:
            self.kills += 1
            self.kills_in[phase] = self.kills_in.get(phase, 0) + 1
        else:
            self.ended += 1


def soak(
    url: str,
    *,
    kills: int,
    seed: int,
    names: tuple[str, ...] = TABLES,
    say: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Kill so many rebuilds. The log must be there."""
    chance, tally, naive = random.Random(seed), Tally(), NaiveLog(url)
    rebuild_all(url, names)  # so that there is a table to go back to
    while tally.kills < kills and not tally.wrong:
        wanted = plan(chance, names)
        found = kill_one(url, wanted)
        tally.add(found.phase, was_alive=found.was_alive)
        tally.wrong += wrong(naive, names)
        if tally.wrong or tally.kills % 10 == 0:
            say(f"{tally}, the last {wanted}")
    results = rebuild_all(url, names)
    tally.wrong += [f"{r.projection}: {r.differences} rows differ" for r in results if r.differences]
    tally.wrong += [f"{r.projection}: not compared" for r in results if not r.compared]
    tally.wrong += wrong(naive, names)
    tally.events = end_of(url)
    return tally


def wrong(naive: NaiveLog, names: Sequence[str]) -> list[str]:
    """The live tables that are not the fold of the log up to where they stand."""
    found = {name: naive.rows_that_differ(BY_NAME[name]) for name in names}
    return [f"{name}: {count} rows are not what the log says" for name, count in found.items() if count]


@contextlib.contextmanager
def traffic(url: str) -> Iterator[None]:
    """Customers who deposit, and a projector, until the end."""
    stop = threading.Event()
    desk = Desk(url)

    def trade() -> None:
        account_ids = [desk.opened() for _ in range(5)]
        while not stop.wait(0.1):
            desk.all_at_once([deposit(account_id) for account_id in account_ids])

    threads = [
        threading.Thread(target=trade),
        threading.Thread(target=Projector(url, PROJECTIONS, wake=threading.Event()).run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        desk.close()


def main() -> int:
    """Start a PostgreSQL of our own, make a log, and soak. Exit code 1 when a table is not the fold of the log."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    wanted = parser.parse_args()
    began = time.monotonic()
    with database() as url:
        lengthen(url, wanted.events)
        with traffic(url):
            tally = soak(url, kills=wanted.kills, seed=wanted.seed, say=_say)
    in_phases = ", ".join(f"{number} {phase}" for phase, number in Counter(tally.kills_in).most_common())
    _say(f"seed {wanted.seed}: {tally.kills} kills in {time.monotonic() - began:.0f} s ({in_phases});")
    _say(f"{tally.ended} ended before their kill; {tally.events} events in the log at the end")
    for sentence in tally.wrong:
        _say(sentence)
    _say("WRONG" if tally.wrong else "every table is the fold of the log")
    return 1 if tally.wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
