"""`daybook verify`: the seals against their signatures and each other, the database's against the published ones, and every
event against what was sealed of it.

What is published is believed, after its signatures; what is in the database is what is being examined. The events come from an
`EventSource`, so that what has moved out of PostgreSQL is verified by the same code.
"""

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.pool import AsyncResult

from msgspec import Struct

from application.errors import ArchiveMustBeReadable
from infrastructure.sealing.comparing import STRETCH, Compared, Difference, Stretch, compare
from infrastructure.sealing.keys import PublicKey
from infrastructure.sealing.merkle import WIDTH
from infrastructure.sealing.reading import BEFORE_ALL, EventSource
from infrastructure.sealing.seals import Chain, Sealed, SealIsWrong, read_line

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the log position that is reached and the one to be reached."""


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is wrong. `where`: `seals` (published), `database` (its copies), `log` (the events), `archive` (files of old
    ones), `guards`.
    """

    where: str
    sentence: str
    seal: int | None = None
    difference: Difference | None = None


class Verified(Struct, frozen=True, kw_only=True):
    """What was found out. `log_position`, `count` and `root` are those of the last seal that is right; `seals_kept` is how
    many the database has.
    """

    seals: int
    seals_kept: int = 0
    count: int
    log_position: int
    root: str | None
    events_read: int
    findings: list[Finding]
    notes: list[str]
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class Copies:
    """The database's seals, asked for one after another: those that should equal the published ones."""

    def __init__(self, kept: Iterable[Sealed]) -> None:
        self._kept = iter(kept)

    def require(self, sealed: Sealed) -> None:
        """Raises SealIsWrong unless the next one is the same."""
        number, copy = sealed.seal.number, next(self._kept, None)
        if copy is None:
            raise SealIsWrong(number, "is published, but not in the database")
        if copy != sealed:
            raise SealIsWrong(number, "is not the same in the database as published")


class Verification:
    """One run. `copies` may be None, for those who have no database of seals."""

    def __init__(
        self,
        source: EventSource,
        *,
        trusted: Sequence[PublicKey],
        copies: Copies | None = None,
        span: tuple[int, int | None] = (BEFORE_ALL, None),
        parallel: int = 1,
        tell: Progress = lambda *_: None,
    ) -> None:
        self._source = source
        self._chain = Chain(trusted)
        self._copies = copies
        self._from, self._to = span
        self._parallel = parallel
        self._tell = tell
        self._findings: list[Finding] = []
        self._events = 0

    def run(self, lines: Iterable[bytes], *, end: int = 0) -> Verified:
        """Verify published lines, and the events behind them up to the first that differs. `end` is for the progress."""
        began = time.monotonic()
        try:
            for compared in _compare_all(self._source, self._stretches(lines), self._parallel):
                self._events += compared.events
                self._tell("events", self._events, end)
                if compared.difference is not None:
                    self._found_different(compared.difference)
                    break
        except ArchiveMustBeReadable as error:
            self._findings.append(Finding(where="archive", sentence=str(error)))
        last = self._chain.last
        return Verified(
            seals=0 if last is None else last.seal.number,
            count=0 if last is None else last.seal.count,
            log_position=0 if last is None else last.seal.last_position,
            root=None if last is None else last.seal.root,
            events_read=self._events,
            findings=self._findings,
            notes=[],
            seconds=round(time.monotonic() - began, 3),
        )

    def _stretches(self, lines: Iterable[bytes]) -> Iterator[Stretch]:
        """The events of the seals that are right, some seals together. Stops at the first that is wrong."""
        waiting: list[Sealed] = []
        begin = before = BEFORE_ALL
        for sealed in self._right_seals(lines):
            if self._is_wanted(sealed, before):
                begin = begin if waiting else before
                waiting.append(sealed)
            before = sealed.seal.last_position
            if waiting and sealed.seal.count - waiting[0].first >= STRETCH:
                yield _stretch(waiting, begin)
                waiting = []
        if waiting:
            yield _stretch(waiting, begin)

    def _is_wanted(self, sealed: Sealed, before: int) -> bool:
        is_late_enough = sealed.seal.last_position >= self._from
        return bool(sealed.leaves) and is_late_enough and (self._to is None or before < self._to)

    def _right_seals(self, lines: Iterable[bytes]) -> Iterator[Sealed]:
        for number, line in enumerate(lines, 1):
            try:
                sealed = read_line(line, number=number)
                self._chain.take(sealed)
            except SealIsWrong as error:
                self._findings.append(Finding(where="seals", sentence=str(error), seal=error.number))
                return
            self._compare_copy(sealed)
            yield sealed

    def _compare_copy(self, sealed: Sealed) -> None:
        if self._copies is None:
            return
        try:
            self._copies.require(sealed)
        except SealIsWrong as error:
            self._findings.append(Finding(where="database", sentence=str(error), seal=error.number))
            self._copies = None  # the first one is enough

    def _found_different(self, difference: Difference) -> None:
        self._findings.append(Finding(where="log", sentence=difference.sentence(), difference=difference))


def _stretch(seals: Sequence[Sealed], after: int) -> Stretch:
    leaves = b"".join(sealed.leaves for sealed in seals)
    return Stretch(after, seals[-1].seal.last_position, seals[-1].seal.count - len(leaves) // WIDTH, leaves)


def _compare_all(source: EventSource, stretches: Iterator[Stretch], parallel: int) -> Iterator[Compared]:
    if parallel <= 1:
        for stretch in stretches:
            yield compare(source, stretch)
        return
    waiting: deque[AsyncResult[Compared]] = deque()
    with multiprocessing.get_context("forkserver").Pool(parallel) as pool:
        for stretch in stretches:
            waiting.append(pool.apply_async(compare, (source, stretch)))
            if len(waiting) > parallel:
                yield waiting.popleft().get()
        while waiting:
            yield waiting.popleft().get()
