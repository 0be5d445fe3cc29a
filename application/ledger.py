"""What a handler works with: the aggregates as they are now, the time, and a place to put decisions."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from application.rules import TradingRules
from domain.account import Account
from domain.aggregate import Aggregate, Event
from domain.case import Case
from domain.corporate_action import FIRM, CorporateAction
from domain.erasure import Erasure
from domain.errors import AccountMustExist, CaseMustExist, OrderMustExist, TransferMustExist
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position, position_id
from domain.trade import TradeDates
from domain.transfer import Transfer

A = TypeVar("A", bound=Aggregate)
Load = Callable[[type[Any], UUID, UUID], Any]


class Ledger:
    """One decision's view of the log. Made for one command and dropped after it.

    `load(kind, id, account_id)` answers the aggregate as of the end of the log, or a blank one of
    version 0.
    """

    def __init__(self, load: Load, *, now: datetime, rules: TradingRules) -> None:
        self._load = load
        self._touched: dict[int, Aggregate] = {}  # by the number its id is, which is cheaper than the id
        self.now = now
        self.rules = rules

    @property
    def dates(self) -> TradeDates:
        """Today by the exchange, and when a trade made now settles."""
        return self.rules.cycle.dates(self.now)

    def account(self, account_id: UUID) -> Account:
        """The account. Raises AccountMustExist."""
        account = self.blank_account(account_id)
        if account.opened_at is None:
            raise AccountMustExist(f"there is no account {account_id}")
        return account

    def blank_account(self, account_id: UUID) -> Account:
        """The account, opened or not yet."""
        return self._touch(Account, account_id, account_id)

    def order(self, order_id: UUID, *, account_id: UUID) -> Order:
        """An order of this account. Raises OrderMustExist, also when it is another account's."""
        order = self._touch(Order, order_id, account_id)
        if order.status is None or order.account_id != account_id:
            raise OrderMustExist(f"there is no order {order_id}")
        return order

    def blank_order(self, order_id: UUID, *, account_id: UUID, is_new: bool) -> Order:
        """An order that is about to be born; `is_new` says its id cannot be in use."""
        if not is_new:
            return self._touch(Order, order_id, account_id)
        order = Order(id=order_id, account_id=account_id)
        self._touched[order_id.int] = order
        return order

    def position(self, account_id: UUID, symbol: str) -> Position:
        """The account's position in a symbol, flat when there never was one."""
        position = self._touch(Position, position_id(account_id, symbol), account_id)
        position.symbol = symbol
        return position

    def transfer(self, transfer_id: UUID, *, account_id: UUID) -> Transfer:
        """A transfer, begun or not yet. Raises TransferMustExist when it is another account's."""
        transfer = self._touch(Transfer, transfer_id, account_id)
        if transfer.account_id != account_id:
            raise TransferMustExist(f"there is no transfer {transfer_id}")
        return transfer

    def corporate_action(self, action_id: UUID) -> CorporateAction:
        """The corporate action, announced or not yet."""
        return self._touch(CorporateAction, action_id, FIRM)

    def interest_period(self, period_id: UUID) -> InterestPeriod:
        """A month's interest, begun or not yet."""
        return self._touch(InterestPeriod, period_id, FIRM)

    def erasure(self, erasure_id: UUID, *, account_id: UUID) -> Erasure:
        """A person's erasure, certified or not yet."""
        return self._touch(Erasure, erasure_id, account_id)

    def case(self, case_id: UUID, *, account_id: UUID) -> Case:
        """A case of this account. Raises CaseMustExist, also when it is another account's."""
        case = self.blank_case(case_id, account_id=account_id)
        if case.status is None or case.account_id != account_id:
            raise CaseMustExist(f"there is no case {case_id}")
        return case

    def blank_case(self, case_id: UUID, *, account_id: UUID) -> Case:
        """A case, begun or not yet."""
        return self._touch(Case, case_id, account_id)

    def decided(self) -> list[Event]:
        """The facts this decision recorded, aggregate by aggregate in the order they were first read."""
        return [event for aggregate in self._touched.values() for event in aggregate.pending]

    def touched(self) -> list[Aggregate]:
        """Every aggregate this decision has read."""
        return list(self._touched.values())

    def _touch(self, kind: type[A], aggregate_id: UUID, account_id: UUID) -> A:
        aggregate: A = self._load(kind, aggregate_id, account_id)
        self._touched[aggregate_id.int] = aggregate
        return aggregate
