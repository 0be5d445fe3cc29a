"""Commands that take back what was recorded wrongly. They carry the facts themselves, as they were read from the log."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from msgspec import Struct

from application.brokerage import fold
from application.commands import Command, Stream
from domain.account import Account
from domain.aggregate import Event
from domain.order import Order
from domain.position import Lot, Position
from domain.transfer import Transfer
from domain.values import Money, Price, Quantity


class Execution(Struct, frozen=True, kw_only=True, gc=False):
    """All facts of one execution: what it did to the order, the cash and the shares.

    Of a sale, `lots_before` and `splits_before` are the position's just before it; `is_washed` says that a part of its
    loss was disallowed.
    """

    executed: Order.Executed
    cash: Account.PurchaseDebited | Account.SaleCredited
    shares: Position.LotOpened | Position.LotsRelieved
    lots_before: tuple[Lot, ...] = ()
    splits_before: frozenset[UUID] = frozenset()
    is_washed: bool = False


class ReverseCash(Command, frozen=True, kw_only=True):
    """Take back a deposit, a withdrawal or income. `event` is the fact itself, `reason` for those who examine us."""

    event: Any
    reason: str

    def streams(self) -> Iterator[Stream]:
        """The account, and the transfer that brought or took the money."""
        yield Account, self.account_id
        transfer_id = getattr(self.event, "transfer_id", None)
        if transfer_id is not None:
            yield Transfer, transfer_id


class CorrectCash(ReverseCash, frozen=True, kw_only=True):
    """Take it back, and record it with the right amount; of income before taxes."""

    amount: Money


class ReverseExecution(Command, frozen=True, kw_only=True):
    """Take back an execution as a whole (FIX ExecType H, Trade Cancel)."""

    execution: Execution
    reason: str

    def streams(self) -> Iterator[Stream]:
        """The order, the account and the position."""
        yield Order, self.execution.executed.originator_id
        yield Account, self.account_id
        yield Position, self.execution.shares.originator_id


class CorrectExecution(ReverseExecution, frozen=True, kw_only=True):
    """Take it back, and book it with the right quantity and price (FIX ExecType G, Trade Correct)."""

    quantity: Quantity
    price: Price


_PARTS: dict[type[Event], str] = {
    Order.Executed: "executed",
    Account.PurchaseDebited: "cash",
    Account.SaleCredited: "cash",
    Position.LotOpened: "shares",
    Position.LotsRelieved: "shares",
}


def is_of_execution(fact: Event) -> bool:
    """Whether a fact is a part of an execution, and not taken back or corrected by itself."""
    return type(fact) in _PARTS


def is_shares_of(fact: Event, execution_id: UUID) -> bool:
    """Whether a fact is what an execution did to the shares."""
    return _PARTS.get(type(fact)) == "shares" and getattr(fact, "execution_id", None) == execution_id


def execution_of(execution_id: UUID, facts: Iterable[Event], position: Iterable[Event]) -> Execution | None:
    """The execution out of the facts about it and all facts of its `position`; None when it is not there."""
    found: dict[str, Any] = {
        _PARTS[type(fact)]: fact
        for fact in facts
        if type(fact) in _PARTS and getattr(fact, "execution_id", None) == execution_id
    }
    if len(found) < len(set(_PARTS.values())):
        return None
    shares, history = found["shares"], list(position)
    if isinstance(shares, Position.LotsRelieved):
        before = fold(None, (one for one in history if one.originator_version < shares.originator_version))
        found |= {"lots_before": tuple(before.lots), "splits_before": frozenset(before.splits)}
    return Execution(**found, is_washed=any(_washes(fact, execution_id) for fact in history))


def _washes(fact: Event, execution_id: UUID) -> bool:
    return isinstance(fact, Position.WashSaleDisallowed) and fact.execution_id == execution_id
