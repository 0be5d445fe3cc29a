"""Lots as outside tools book them: which accounts beancount may relieve by itself, and how the others are told.

beancount keeps a lot's cost per share and never rounds it; Daybook rounds the cost of each part to the cent and
gives the last part what is left. So an account is left to beancount's own FIFO only when that comes to the
same within the tolerance of a transaction; else every lot that changes is taken out whole and what is
left of it put back at its cost.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain.journal import Posting
from domain.values import NOTHING
from infrastructure.books.scope import Scope

LotKey: TypeAlias = tuple[UUID, date]

TOLERANCE = Decimal("0.0049")
"""beancount lets a transaction in whole cents be half a cent out; a little less, for its own rounding."""


class Held(Struct, frozen=True, gc=False):
    """Shares of one lot, and what they have cost."""

    quantity: Decimal
    cost: Decimal


class Change(Struct, frozen=True, gc=False):
    """A lot before and after an entry; None when it is not there."""

    key: LotKey
    before: Held | None
    after: Held | None


class Lots:
    """The open lots of every account: as large as what is held, not as the log."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[LotKey, Held]] = {}

    def change(self, account: str, lines: Iterable[Posting]) -> list[Change]:
        """Take in an entry's lines of one account; what became of each lot they name."""
        lots = self._accounts.setdefault(account, {})
        before: dict[LotKey, Held | None] = {}
        for line in lines:
            assert line.lot is not None, "shares at cost are in lots"  # noqa: S101
            key = (line.lot.lot_id, line.lot.acquired_at.date())
            held = lots.get(key)
            before.setdefault(key, held)
            _put(lots, key, _moved(held, line))
        if not lots:
            del self._accounts[account]
        return [Change(key, was, lots.get(key)) for key, was in before.items()]


def _moved(held: Held | None, line: Posting) -> Held:
    cost = line.cost or NOTHING
    return Held(line.amount, cost) if held is None else Held(held.quantity + line.amount, held.cost + cost)


def _put(lots: dict[LotKey, Held], key: LotKey, held: Held) -> None:
    if held.quantity or held.cost:
        lots[key] = held
    else:
        lots.pop(key, None)


_Line: TypeAlias = tuple[LotKey, Decimal, Decimal]


def not_left_to_fifo(connection: Connection[Any], scope: Scope) -> set[str]:
    """Accounts whose lots beancount would not relieve as Daybook did."""
    return set(_unlike_fifo(_movements(connection, scope)))


def _movements(connection: Connection[Any], scope: Scope) -> Iterator[tuple[str, list[_Line]]]:
    """What each entry does to the lots of one account, in the order of the file; first what it opens with."""
    columns = "account, lot_id, (acquired_at AT TIME ZONE 'UTC')::date"
    opening = (
        f"SELECT {columns}, sum(amount), sum(cost), min(log_position) FROM read.journal"
        f" WHERE {scope.in_scope} AND lot_id IS NOT NULL AND booked_on < %(since)s"
        " GROUP BY 1, 2, 3 HAVING sum(amount) <> 0 OR sum(cost) <> 0 ORDER BY 1, 6, min(line)"
    )
    after = (
        f"SELECT {columns}, amount, cost, log_position FROM read.journal"
        f" WHERE {scope.in_scope} AND lot_id IS NOT NULL AND booked_on >= %(since)s"
        " ORDER BY booked_on, log_position, line"
    )
    for number, sql in enumerate((opening, after)):
        with connection.cursor(f"lots_{number}") as cursor:
            cursor.execute(sql.encode(), scope.parameters)
            for (account, _), rows in groupby(cursor, key=lambda row: (row[0], row[5])):
                yield account, [((lot, on), amount, cost) for _, lot, on, amount, cost, _ in rows]


def _unlike_fifo(movements: Iterable[tuple[str, list[_Line]]]) -> Iterator[str]:
    queues: dict[str, _Queue | None] = {}
    for account, lines in movements:
        queue = queues.setdefault(account, _Queue())
        if queue is not None and not queue.follows(lines):
            queues[account] = None
            yield account
    yield from (name for name, queue in queues.items() if queue is not None and not queue.is_near_at_the_end)


class _InQueue:
    __slots__ = ("cost", "key", "quantity", "unit")

    def __init__(self, key: LotKey, quantity: Decimal, cost: Decimal) -> None:
        self.key, self.quantity, self.cost = key, quantity, cost
        self.unit = cost / quantity  # what beancount keeps of it, to 28 digits


class _Queue:
    """An account's lots as beancount holds them: the oldest first, those of one day as they came."""

    def __init__(self) -> None:
        self._lots: list[_InQueue] = []

    def follows(self, lines: Sequence[_Line]) -> bool:
        """Whether beancount would come to the same."""
        if all(amount > 0 for _, amount, _ in lines):
            return all(self._take_in(*line) for line in lines)
        if all(amount < 0 for _, amount, _ in lines):
            return self._relieve([(key, -amount, -cost) for key, amount, cost in lines])
        return False

    @property
    def is_near_at_the_end(self) -> bool:
        return all(abs(lot.quantity * lot.unit - lot.cost) <= TOLERANCE for lot in self._lots)

    def _take_in(self, key: LotKey, quantity: Decimal, cost: Decimal) -> bool:
        if any(lot.key == key for lot in self._lots):
            return False
        self._lots.append(_InQueue(key, quantity, cost))
        self._lots.sort(key=lambda lot: lot.key[1])
        return True

    def _relieve(self, lines: Sequence[_Line]) -> bool:
        apart = paid = NOTHING
        for number, (key, quantity, cost) in enumerate(lines):
            is_last = number == len(lines) - 1
            lot = self._lots[0] if self._lots else None
            if lot is None or lot.key != key or quantity > lot.quantity:
                return False
            if quantity < lot.quantity and not is_last:
                return False
            apart, paid = apart + quantity * lot.unit - cost, paid + cost
            lot.quantity, lot.cost = lot.quantity - quantity, lot.cost - cost
            if not lot.quantity:
                self._lots.pop(0)
        # Without a line of dollars, as when dust goes for nothing, no half cent is let pass.
        return abs(apart) <= TOLERANCE and (paid > NOTHING or not apart)
