"""The rows of one table that a worker keeps in memory while it folds, so that few are ever read back."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from psycopg import Connection

from infrastructure.projecting import tables
from infrastructure.projecting.folding import Plan, apply_plan, keys_of
from infrastructure.projecting.rebuild.generations import Building
from infrastructure.projecting.tables import Statement
from projections.projection import Key, Projection, Rows, key_of

ROWS_MAX = 50_000
"""Rows kept of one table by one worker; beyond that, those that were not changed for longest are let go."""


class Memory:
    """Folds a chunk, says what writes what changed, and remembers it. After an error it must be thrown away.

    `is_whole` says that the table has no row of ours that is not here, so nothing need be looked up.
    """

    def __init__(self, building: Building, *, is_whole: bool) -> None:
        self._projection, self._suffix = building.projection, building.suffix
        self._is_whole = is_whole
        self._rows: dict[Key, Any] = {}

    def load(self, connection: Connection[Any], plan: Plan) -> Rows[Any]:
        """The rows that a plan is about. Raises FoldFailed."""
        keys = keys_of(self._projection, plan)
        found = {key: self._rows[key] for key in keys if key in self._rows}
        missing = [] if self._is_whole else [key for key in keys if key not in found]
        found.update(tables.fetch(connection, self._projection, missing, suffix=self._suffix))
        return Rows(found)

    def fold(self, plan: Plan, rows: Rows[Any]) -> list[Statement]:
        """Fold what is planned into its rows. What writes the changes, old rows out and new ones in, which is cheaper
        than an upsert's look for each. Raises FoldFailed.
        """
        apply_plan(self._projection, plan, rows)
        if self._projection.only_adds:
            return self._adding(_in_key_order(self._projection, rows.changed()))
        changed = {key_of(self._projection, row): row for row in rows.touched()}
        removed = list(rows.removed())
        stale = [key for key in (*changed, *removed) if not self._is_whole or key in self._rows]
        self._remember(changed, removed)
        gone = tables.removing(self._projection, stale, suffix=self._suffix)
        return [*gone, *self._adding(list(changed.values())), *self._adding(rows.appended())]

    def _adding(self, rows: Sequence[Any]) -> list[Statement]:
        return tables.adding(self._projection, rows, suffix=self._suffix)

    def _remember(self, changed: dict[Key, Any], removed: Sequence[Key]) -> None:
        for key in (*changed, *removed):
            self._rows.pop(key, None)
        self._rows.update(changed)
        if len(self._rows) > ROWS_MAX:
            self._rows = dict(islice(self._rows.items(), len(self._rows) - ROWS_MAX // 2, None))
            self._is_whole = False


def _in_key_order(projection: Projection, rows: Sequence[Any]) -> list[Any]:
    """As they will be looked for: by the last column of the key, which is the place in the log."""
    last = projection.key_columns[-1]
    return sorted(rows, key=lambda row: getattr(row, last))
