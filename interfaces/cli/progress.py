"""How far a long piece of work is: a bar on a terminal, now and then a line in a log; always on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Tell = Callable[[int, int], None]

LINE_EVERY_S = 5.0


@contextmanager
def progress(work: str, unit: str) -> Iterator[Tell]:
    """Yields what is to be called with where it is and where it ends."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
            task = bars.add_task(work, total=None, said="")
            yield lambda at, end: bars.update(
                task, completed=at, total=end or None, said=f"{at:,} of {end:,} {unit}"
            )
    else:
        yield _Lines(work, unit)


class _Lines:
    def __init__(self, work: str, unit: str) -> None:
        self._work, self._unit, self._told = work, unit, 0.0

    def __call__(self, at: int, end: int) -> None:
        now = time.monotonic()
        if at >= end or now - self._told >= LINE_EVERY_S:
            self._told = now
            print(f"{self._work}: {at:,} of {end:,} {self._unit}", file=sys.stderr, flush=True)
