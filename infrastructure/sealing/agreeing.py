"""Bringing the database and the published file to the same last seal, from either side.

A seal is written to the database first and to the file next. A crash between the two leaves a line missing in the
file, or half of it; a database that was restored from a back-up lacks seals that the file has. Both are made up for here; what
contradicts itself is refused, and nothing is sealed any more until somebody has looked.
"""

from pathlib import Path

import structlog
from psycopg import Connection

from infrastructure.sealing.files import SealFile, published_lines
from infrastructure.sealing.merkle import leaf_hashes
from infrastructure.sealing.reading import BEFORE_ALL, read_whole
from infrastructure.sealing.seals import Sealed, read_line
from infrastructure.sealing.store import SealStore

log = structlog.get_logger()


class SealsMustAgree(Exception):
    """Database, file and log do not tell the same story; a sealer does not choose between them."""


class Agreement:
    """The database's seals, the file's and the log behind them, at a sealer's start."""

    def __init__(self, connection: Connection[object], file: SealFile, path: Path) -> None:
        self._connection = connection
        self._store = SealStore(connection)
        self._file = file
        self._path = path

    def numbers(self) -> tuple[int, int]:
        """The last seals of the file and of the database, 0 for none. Raises SealIsWrong."""
        return _number(self._last_in_file()), _number(self._store.last())

    def reach(self) -> Sealed | None:
        """Repair what a crash left, and return the last seal of both. Raises SealsMustAgree or SealIsWrong."""
        self._mend_fragment()
        in_file, in_store = self._last_in_file(), self._store.last()
        known, kept = _number(in_file), _number(in_store)
        if in_store is not None and known < kept:
            self._append_to_file(in_file, in_store)
        elif in_file is not None and kept < known:
            self._add_to_store(in_store, in_file)
        else:
            _require_same(in_file, in_store)
        last = self._store.last()
        self._require_kept_hashes(last)
        return last

    def _mend_fragment(self) -> None:
        fragment = self._file.fragment()
        if not fragment:
            return
        number = _number(self._last_in_file()) + 1
        kept = self._store.seal(number)
        if kept is None:
            self._file.drop_fragment()
            log.warning("half a line was cut off the published seals: no such seal exists", seal=number)
        elif kept.line().startswith(fragment):
            self._file.append(kept.line()[len(fragment) :])
            log.warning("half a line of the published seals was completed", seal=number)
        else:
            raise SealsMustAgree(f"the file {self._path} ends with half a line that is not of seal {number}")

    def _append_to_file(self, in_file: Sealed | None, in_store: Sealed) -> None:
        number = _number(in_file)
        if in_file is not None:
            _require_same(in_file, self._store.seal(number))
        for sealed in self._store.after(number, up_to=in_store.seal.number):
            self._file.append(sealed.line())
            number = sealed.seal.number
        log.warning("seals were missing in the file", first=_number(in_file) + 1, last=number)

    def _add_to_store(self, in_store: Sealed | None, in_file: Sealed) -> None:
        kept = _number(in_store)
        tree = self._store.tree(0 if in_store is None else in_store.seal.count)
        before = BEFORE_ALL if in_store is None else in_store.seal.last_position
        for number, line in enumerate(published_lines(self._path), 1):
            if number < kept:
                continue
            sealed = read_line(line, number=number)
            if number == kept:
                _require_same(sealed, in_store)
                continue
            self._require_in_log(sealed, before)
            self._store.add(sealed, tree.extend(sealed.leaves))
            before = sealed.seal.last_position
        log.warning("seals were missing in the database", first=kept + 1, last=in_file.seal.number)

    def _require_in_log(self, sealed: Sealed, after: int) -> None:
        seal = sealed.seal
        rows = read_whole(self._connection, after, seal.last_position)
        if b"".join(leaf_hashes(chunk) for chunk in rows) != sealed.leaves:
            raise SealsMustAgree(
                f"seal {seal.number} is published, but the log is not what it sealed up to"
                f" log position {seal.last_position}: run `daybook verify`"
            )

    def _require_kept_hashes(self, last: Sealed | None) -> None:
        if last is not None and self._store.tree(last.seal.count).root().hex() != last.seal.root:
            raise SealsMustAgree(
                f"the hashes kept in the database do not make the root of seal {last.seal.number}"
            )

    def _last_in_file(self) -> Sealed | None:
        line = self._file.last_line()
        return read_line(line, number=0) if line else None


def _number(sealed: Sealed | None) -> int:
    return 0 if sealed is None else sealed.seal.number


def _require_same(one: Sealed | None, other: Sealed | None) -> None:
    if one != other:
        raise SealsMustAgree(f"seal {_number(one or other)} is not the same in the database and in the file")
