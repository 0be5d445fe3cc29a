"""All seals of database and file, at a sealer's start: each signature, each link, each root, and that both sides are equal.

Some thousands take a second or so, and the sealer waits for them. What is longer is checked by a thread of its own, while seals are
written already; what it finds stops the sealer then.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice, zip_longest
from pathlib import Path

import psycopg
import structlog

from infrastructure.postgres.connections import connect
from infrastructure.sealing.agreeing import SealsMustAgree
from infrastructure.sealing.files import SealFileCannotBeUsed, published_lines
from infrastructure.sealing.keys import PublicKey, SealKeyCannotBeUsed, key_of_hex
from infrastructure.sealing.seals import Chain, Sealed, SealIsWrong, read_line
from infrastructure.sealing.store import SealStore

log = structlog.get_logger()

AT_ONCE = 5_000
"""So many seals are waited for."""

_WRONG = (SealsMustAgree, SealIsWrong, SealFileCannotBeUsed, psycopg.Error)


class SealingStops(Exception):
    """The sealer was told to stop before everything was checked."""


class StartingCheck:
    """The check of the first `number` seals of database and file."""

    def __init__(self, url: str, path: Path, *, number: int, stop: threading.Event) -> None:
        self._url = url
        self._path = path
        self._number = number
        self._stop = stop
        self._ended = threading.Event()
        self._found: Exception | None = None

    @contextmanager
    def under_way(self, *, at_once: bool) -> Iterator[Callable[[], None]]:
        """Gives what raises once something is found. `at_once` checks everything before. Raises SealsMustAgree,
        SealIsWrong, SealFileCannotBeUsed, psycopg.Error or SealingStops.
        """
        if at_once:
            self._check()
            yield self.require
            return
        thread = threading.Thread(target=self._look, name="seal check", daemon=True)
        thread.start()
        try:
            yield self.require
        finally:
            self._ended.set()
            thread.join()

    def require(self) -> None:
        """Raises what was found, if anything was."""
        if self._found is not None:
            raise self._found

    def _look(self) -> None:
        try:
            self._check()
        except SealingStops:
            return
        except _WRONG as error:
            self._found = error
        else:
            log.info("all seals are right", seals=self._number)

    def _check(self) -> None:
        chain: Chain | None = None
        for number, in_file, in_store in self._pairs():
            if self._stop.is_set() or self._ended.is_set():
                raise SealingStops
            sealed = in_file or in_store
            if sealed is None:
                return
            chain = chain or Chain([_first_key(sealed)])
            chain.take(sealed)
            if in_file is not None and in_store is not None and in_file != in_store:
                raise SealsMustAgree(f"seal {number} is not the same in the database and in the file")

    def _pairs(self) -> Iterator[tuple[int, Sealed | None, Sealed | None]]:
        """Each seal of either side: its number, as published, as the database has it."""
        with connect(self._url, application="daybook sealer check") as connection:
            kept = SealStore(connection).after(0, up_to=self._number)
            pairs = zip_longest(islice(self._lines(), self._number), kept)
            for number, (line, in_store) in enumerate(pairs, 1):
                yield number, None if line is None else read_line(line, number=number), in_store

    def _lines(self) -> Iterator[bytes]:
        """Whole lines: what a crash cut off was never published."""
        if self._path.exists():
            yield from (line for line in published_lines(self._path) if line.endswith(b"\n"))


def _first_key(sealed: Sealed) -> PublicKey:
    """The key that the first seal names. It need not be trusted here: the chain must lead from it to the key that the
    sealer holds itself.
    """
    try:
        return key_of_hex(sealed.seal.key)
    except SealKeyCannotBeUsed as error:
        raise SealIsWrong(sealed.seal.number, str(error)) from error
