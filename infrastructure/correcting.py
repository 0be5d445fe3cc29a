"""What stands at a place of the log, as commands that take it back or correct it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection

from application.correcting import (
    CorrectCash,
    CorrectExecution,
    Execution,
    ReverseCash,
    ReverseExecution,
    execution_of,
    is_of_execution,
    is_shares_of,
)
from application.errors import DatabaseMustAnswer
from domain.aggregate import Event
from domain.errors import EventMustBeReversible, EventMustExist
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.log import COLUMNS, read_at, read_stream, rows_of

_NEAR = (
    f"SELECT {COLUMNS} FROM stored_events WHERE account_id = %s AND notification_id BETWEEN %s AND %s"
    " ORDER BY notification_id"
)
_POSITION = "SELECT log_position FROM read.executions WHERE execution_id = %s"
_NEAR_BY = 1000  # an execution's facts are stored in one transaction, side by side


class Right(Struct, frozen=True, kw_only=True):
    """What it should have been: the amount of money, or price and quantity of an execution; None for what was right."""

    amount: Decimal | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None


class Originals:
    """Reads what is to be taken back. `connected` gives a connection for the time of one question."""

    def __init__(self, connected: Callable[[], Any]) -> None:
        self._connected = connected

    def position_of(self, execution_id: UUID) -> int:
        """Where an execution stands in the log. Raises EventMustExist."""
        with self._asking() as connection:
            row = connection.execute(_POSITION, (execution_id,)).fetchone()
        if row is None:
            raise EventMustExist(f"there is no execution {execution_id}")
        return int(row[0])

    def reversal(self, log_position: int, *, reason: str) -> ReverseCash | ReverseExecution:
        """The command that takes back what stands there, an execution as a whole. Raises EventMustExist."""
        event, execution = self._find(log_position)
        if execution is None:
            return ReverseCash(account_id=event.account_id, event=event, reason=reason)
        return ReverseExecution(account_id=event.account_id, execution=execution, reason=reason)

    def correction(self, log_position: int, right: Right, *, reason: str) -> ReverseCash | ReverseExecution:
        """The command that takes it back and records what it should have been.

        Raises EventMustExist, or EventMustBeReversible when an execution was to be another amount, or the reverse.
        """
        event, execution = self._find(log_position)
        whose: dict[str, Any] = {"account_id": event.account_id, "reason": reason}
        if execution is None:
            if right.amount is None:
                raise EventMustBeReversible("it is no execution: it is corrected by an amount")
            return CorrectCash(event=event, amount=right.amount, **whose)
        if right.amount is not None:
            raise EventMustBeReversible("an execution is corrected by price and quantity")
        was = execution.executed
        return CorrectExecution(
            execution=execution,
            price=was.price if right.price is None else right.price,
            quantity=was.quantity if right.quantity is None else right.quantity,
            **whose,
        )

    def _find(self, log_position: int) -> tuple[Event, Execution | None]:
        with self._asking() as connection:
            row = read_at(connection, log_position)
            if row is None:
                raise EventMustExist(f"nothing stands at log position {log_position}")
            event = row.event()
            if not is_of_execution(event):
                return event, None
            return event, _execution(connection, event, log_position)

    @contextmanager
    def _asking(self) -> Iterator[Connection[Any]]:
        try:
            with self._connected() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseMustAnswer("the database does not answer; try again") from error


def _execution(connection: Connection[Any], event: Any, log_position: int) -> Execution:
    near = (event.account_id, log_position - _NEAR_BY, log_position + _NEAR_BY)
    wanted = Wanted(account_id=near[0], after=near[1] - 1, up_to=near[2])
    rows = with_archived(connection, rows_of(connection.execute(_NEAR, near)), wanted)
    facts = [row.event() for row in rows]
    shares = next(fact for fact in facts if is_shares_of(fact, event.execution_id))
    position = [row.event() for row in read_stream(connection, shares.originator_id)]
    found = execution_of(event.execution_id, facts, position)
    if found is None:
        raise EventMustExist(f"the facts of execution {event.execution_id} are not there")
    return found
