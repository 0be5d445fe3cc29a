"""The rows of one table that a worker keeps in memory while it folds, so that few are ever read back."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from psycopg import Connection

from infrastructure.projecting import tables
from infrastructure.projecting.folding import Entry, FoldFailed
from infrastructure.projecting.rebuild import loading
from infrastructure.projecting.rebuild.generations import Building
from projections.projection import Key, Rows, key_of

ROWS_MAX = 50_000
"""Rows kept of one table by one worker; beyond that, those that were not changed for longest are let go."""


class Memory:
    """Folds a chunk, writes what changed, and remembers it. After an error it must be thrown away.

    `is_whole` says that the table has no row of ours that is not here, so nothing need be looked up.
    """

    def __init__(self, building: Building, *, is_whole: bool) -> None:
        self._building = building
        self._is_whole = is_whole
        self._rows: dict[Key, Any] = {}

    def fold(self, connection: Connection[Any], entries: Sequence[Entry]) -> None:
        """Fold entries, all of them meant for this table. Raises FoldFailed."""
        projection = self._building.projection
        rows = Rows[Any]() if projection.only_adds else Rows(self._load(connection, entries))
        for entry in entries:
            try:
                projection.apply(entry.fact, rows)  # type: ignore[arg-type]  # those without are not ours
            except Exception as error:
                raise FoldFailed(projection.name, entry, error) from error
        if projection.only_adds:
            loading.copy(connection, self._building, loading.in_key_order(projection, rows.changed()))
        else:
            self._write(connection, rows)

    def _load(self, connection: Connection[Any], entries: Sequence[Entry]) -> dict[Key, Any]:
        keys = {self._key(entry) for entry in entries}
        found = {key: self._rows[key] for key in keys if key in self._rows}
        missing = [] if self._is_whole else [key for key in keys if key not in found]
        building = self._building
        found.update(tables.fetch(connection, building.projection, missing, suffix=building.suffix))
        return found

    def _key(self, entry: Entry) -> Key:
        projection = self._building.projection
        try:
            return projection.key(entry.fact.event, entry.fact)  # type: ignore[union-attr, arg-type]
        except Exception as error:
            raise FoldFailed(projection.name, entry, error) from error

    def _write(self, connection: Connection[Any], rows: Rows[Any]) -> None:
        changed = {key_of(self._building.projection, row): row for row in rows.touched()}
        removed = list(rows.removed())
        stale = [key for key in (*changed, *removed) if not self._is_whole or key in self._rows]
        loading.delete(connection, self._building, stale)
        if changed:
            loading.copy(connection, self._building, changed.values())
        if rows.appended():
            loading.copy(connection, self._building, rows.appended())
        self._remember(changed, removed)

    def _remember(self, changed: dict[Key, Any], removed: Sequence[Key]) -> None:
        for key in (*changed, *removed):
            self._rows.pop(key, None)
        self._rows.update(changed)
        if len(self._rows) > ROWS_MAX:
            self._rows = dict(islice(self._rows.items(), len(self._rows) - ROWS_MAX // 2, None))
            self._is_whole = False
