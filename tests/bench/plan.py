"""How much is measured, and what a path of the suite is."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

QUICK = os.environ.get("QUICK") == "1"

ROUNDS = int(os.environ.get("ROUNDS") or (2 if QUICK else 3))
"""How often ours and the ceiling take turns; figures are medians over the rounds."""

SECONDS = float(os.environ.get("SECONDS_EACH") or (1.5 if QUICK else 4))
"""How long one turn over HTTP is measured."""

CONNECTIONS = 128
ACCOUNTS = 1_000


class Row(Struct, kw_only=True):
    """One line of the table. `cpu` is in percent of one core, by who used it while ours was measured."""

    path: str
    unit: str
    ours: float
    ceiling: float | None
    target: str
    met: bool
    ratio: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    cpu: dict[str, float] = {}
    note: str = ""


class Path(Struct, frozen=True, kw_only=True):
    """One path of the suite: what is measured, against which ceiling, and what it should reach."""

    name: str
    what: str
    ceiling: str
    target: str
    measure: Callable[[Any], Sequence[Row]]
    by_default: bool = True
    pictures: tuple[str, ...] = ()  # files in docs/ that it draws
