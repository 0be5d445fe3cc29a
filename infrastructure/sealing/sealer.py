"""The sealer: reads the log in order and seals what is new in it, again and again.

A seal is committed to the database, then appended to the published file and brought to the disk; only then it counts. Whatever
goes wrong in between, the next start finds both sides and brings them together (`agreeing.py`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import structlog
from msgspec import Struct

from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.sealing.agreeing import Agreement, SealsMustAgree
from infrastructure.sealing.canonical import position_of
from infrastructure.sealing.checking import AT_ONCE, SealingStops, StartingCheck
from infrastructure.sealing.files import (
    SealFile,
    SealFileCannotBeUsed,
    SealFileIsGone,
    SealFileIsInUse,
    SealFileWasChanged,
    publishing,
)
from infrastructure.sealing.keyring import Keyring
from infrastructure.sealing.merkle import leaf_hashes
from infrastructure.sealing.reading import BEFORE_ALL, read_rows
from infrastructure.sealing.seals import Sealed, SealIsWrong, write_seal
from infrastructure.sealing.store import SealStore

log = structlog.get_logger()

LEASE_CHECK_S = 0.5
LOOK_EVERY_S = 0.2
TRY_AGAIN_S = 2.0


class SealTerms(Struct, frozen=True, kw_only=True):
    """When a seal is due: each `interval` seconds in which something was recorded, or as soon as `events` were."""

    interval: float = 1.0
    events: int = 10_000


class Sealer:
    """Seals while it holds the lease. `published` is called with each seal that counts."""

    def __init__(
        self,
        url: str,
        *,
        file: Path,
        keyring: Keyring,
        terms: SealTerms,
        published: Callable[[Sealed], object] = lambda _: None,
    ) -> None:
        self._url = url
        self._file = file
        self._keyring = keyring
        self._terms = terms
        self._published = published
        self._lease = Lease(url, "sealer")
        self._stop = threading.Event()
        self._at_least = 0  # the seals that this process has seen in the file
        self._is_in_doubt = False  # whether it last stood still because something is wrong

    def run(self, stop: threading.Event) -> None:
        """Seal until `stop` is set. Raises SealKeyCannotBeUsed, a sentence for the operator."""
        self._stop = stop
        while not stop.is_set():
            if self._lease.hold():
                self._work_or_say_why_not(stop)
            stop.wait(LEASE_CHECK_S)
        self._lease.release()

    def catch_up(self) -> int:
        """Seal everything there is, and return the number of the last seal; 0 for an empty log."""
        with self.session() as session:
            while session.seal_next():
                pass
            return _number(session.last)

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Everything a sealer holds while it works."""
        self._allow_for_a_missing_file()
        with connect(self._url, application="daybook sealer") as connection, publishing(self._file) as file:
            agreement = Agreement(connection, file, self._file)
            with self._checking(agreement) as require_right:
                last = agreement.reach()
                self._keyring.open(last)
                session = Session(
                    connection, file, last=last, keyring=self._keyring, terms=self._terms,
                    told=self._count, require_right=require_right,
                )  # fmt: skip
                self._at_least, self._is_in_doubt = _number(last), False
                yield session

    def _allow_for_a_missing_file(self) -> None:
        """A file that was whole may be written anew; one that was in doubt may not be made to disappear."""
        if not self._at_least or self._file.exists():
            return
        if self._is_in_doubt:
            raise SealFileWasChanged(
                f"the file {self._file} is gone, and was wrong before: put it back as it was"
            )
        log.warning("the file of seals is gone: it is written anew from the database", file=str(self._file))
        self._at_least = 0

    def _checking(self, agreement: Agreement) -> AbstractContextManager[Callable[[], None]]:
        """All seals are checked, after a finding and before a file is written anew always at once."""
        in_file, in_store = agreement.numbers()
        if in_file < self._at_least:
            raise SealFileWasChanged(
                f"the file {self._file} ends with seal {in_file} and had {self._at_least}: put it back as it was"
            )
        number = max(in_file, in_store)
        check = StartingCheck(self._url, self._file, number=number, stop=self._stop)
        return check.under_way(at_once=number <= AT_ONCE or not in_file or self._is_in_doubt)

    def _count(self, sealed: Sealed) -> None:
        self._at_least = sealed.seal.number
        self._published(sealed)

    def _work_or_say_why_not(self, stop: threading.Event) -> None:
        try:
            with self.session() as session:
                session.work(stop, may_go_on=self._lease.hold)
        except SealFileIsInUse as error:
            log.debug("waiting for the file", error=str(error))
        except SealFileIsGone as error:
            log.debug("the file is opened anew", error=str(error))
        except SealingStops:
            log.debug("told to stop before all seals were checked")
        except (psycopg.Error, OSError, SealFileCannotBeUsed) as error:
            self._failed(str(error).strip(), stop)
        except (SealsMustAgree, SealIsWrong, SealFileWasChanged) as error:
            self._is_in_doubt = True
            self._failed(str(error), stop)

    def _failed(self, sentence: str, stop: threading.Event) -> None:
        log.error("sealing does not go on", error=sentence)
        try:
            with connect(self._url, application="daybook sealer") as connection:
                SealStore(connection).note(failure=sentence)
        except psycopg.Error:
            log.debug("the failure could not be written down")
        stop.wait(TRY_AGAIN_S)


class Session:
    """One stretch of work: a connection, the file, the tree, and the last seal."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        file: SealFile,
        *,
        last: Sealed | None,
        keyring: Keyring,
        terms: SealTerms,
        told: Callable[[Sealed], object],
        require_right: Callable[[], None],
    ) -> None:
        self.last = last
        self._connection = connection
        self._store = SealStore(connection)
        self._file = file
        self._keyring = keyring
        self._terms = terms
        self._told = told
        self._require_right = require_right
        self._tree = self._store.tree(0 if last is None else last.seal.count)
        self._store.note(failure=None, published_number=_number(last))

    def work(self, stop: threading.Event, *, may_go_on: Callable[[], bool]) -> None:
        """Seal what is due until `stop` is set or the lease is gone."""
        began = time.monotonic()
        while not stop.is_set() and may_go_on():
            self._require_right()
            self._file.require_in_place()
            self._change_key()
            waiting = last_row(self._connection)[0] - self._position
            if waiting >= self._terms.events or time.monotonic() - began >= self._terms.interval:
                began = time.monotonic()
                self.seal_next()
            if waiting < self._terms.events:
                stop.wait(min(LOOK_EVERY_S, self._terms.interval))
        if may_go_on():
            self.seal_next()  # what was recorded before the stop

    def seal_next(self) -> bool:
        """Seal the next events, at most as many as a seal takes. False when there are none."""
        after = BEFORE_ALL if self.last is None else self._position
        leaves, position = [], after
        for chunk in read_rows(self._connection, after, limit=self._terms.events):
            leaves.append(leaf_hashes(chunk))
            position = position_of(chunk[-1])
        if leaves:
            self._seal(b"".join(leaves), position)
        return bool(leaves)

    def _change_key(self) -> None:
        """Sign with the old key that the new one's turn has come, when the operator has put one there."""
        successor = self._keyring.successor()
        if successor is not None:
            self._seal(b"", self._position, next_key=successor)
            self._keyring.succeed()

    def _seal(self, leaves: bytes, position: int, **changes: Any) -> None:
        self._file.require_in_place()
        tree = self._tree.copy()
        blocks = tree.extend(leaves)
        key, now = self._keyring.key, datetime.now(UTC)
        sealed = write_seal(key, self.last, tree, leaves, last_position=position, at=now, **changes)
        self._store.add(sealed, blocks)
        self._file.append(sealed.line())
        self.last, self._tree = sealed, tree
        self._store.note(published_number=sealed.seal.number)
        self._told(sealed)
        log.debug("sealed", seal=sealed.seal.number, log_position=position)

    @property
    def _position(self) -> int:
        return 0 if self.last is None else self.last.seal.last_position


def _number(sealed: Sealed | None) -> int:
    return 0 if sealed is None else sealed.seal.number
