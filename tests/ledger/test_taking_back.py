"""The whole ledger with reversals and corrections among everything else: of executions, deposits, withdrawals and income.

What the read tables must hold is not scanned out of the log here, as the machine beside does it: that every table is what
the log comes to is shown by a rebuild, by the checks of the books, and by the facts that were not taken back.
"""

import os
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from application import commands as c
from application import correcting as r
from domain.account import Account
from domain.aggregate import Event
from domain.errors import Refusal
from domain.order import Order
from domain.position import position_id
from domain.reversal import Reversal, ref_of
from domain.terms import OrderType, Side
from domain.values import NOTHING
from infrastructure.books.check import check_books
from infrastructure.projecting.operating import rebuild_all
from projections.catalogue import PROJECTIONS
from tests.ledger.customers import MONEY, PRICES, SYMBOLS
from tests.ledger.test_whole_ledger import WholeLedger
from tests.ledger.world import World

OF_CASH = (Account.Deposited, Account.Withdrawn, Account.DividendPaid, Account.InterestPaid)
SHARES = [Decimal(1), Decimal("0.5"), Decimal("0.123456")]


class TakingBack(WholeLedger):
    """Anything that may be taken back is, alone or with the right fact in its place."""

    def events(self) -> list[Event]:
        return [fact.event for fact in self.world.of(self.accounts)]

    @initialize(cash=st.lists(MONEY, min_size=1, max_size=2))
    def begin(self, cash: list[Decimal]) -> None:
        """What the machine beside begins with, and each kind of cash taken back once."""
        super().begin(cash)
        self.receive(index=0, quantity=Decimal(9), withholding=Decimal("0.24"), is_paid=True)
        self.withdraw(index=0, amount=Decimal(2), everything=False)
        for kind in OF_CASH:
            last = [event for event in self.events() if isinstance(event, kind)][-1]
            self.take_back(last, None)
        self.trade_and_take_it_back(Side.SELL, Decimal(11))
        self.give(c.Deposit(account_id=self.accounts[0], transfer_id=uuid4(), amount=Decimal(100)))
        self.trade_and_take_it_back(Side.BUY, Decimal(11))

    @rule(data=st.data(), kind=st.sampled_from(OF_CASH), amount=MONEY | st.none())
    def take_back_cash(self, data: st.DataObject, kind: type[Event], amount: Decimal | None) -> None:
        event = self.one_of([e for e in self.events() if isinstance(e, kind)], data)
        if event is not None:
            self.take_back(event, amount)

    def take_back(self, event: Any, amount: Decimal | None) -> None:
        told = {"account_id": event.account_id, "event": event, "reason": "typed wrongly"}
        command = r.ReverseCash(**told) if amount is None else r.CorrectCash(**told, amount=amount)
        self.give_once(command)

    @rule(
        data=st.data(),
        side=st.sampled_from(Side),
        share=st.sampled_from(SHARES),
        price=PRICES,
        is_right=st.booleans(),
    )
    def take_back_execution(
        self, data: st.DataObject, side: Side, share: Decimal, price: Decimal, is_right: bool
    ) -> None:
        """One of the executions, of the last ones most times: what came after a sale may rest on it."""
        executed = self.one_of([e for e in self.events() if self.is_fill(e, side)][-3:], data)
        if executed is None:
            return
        told = {
            "account_id": executed.account_id,
            "execution": self.execution(executed),
            "reason": "a bust",
        }
        if not is_right:
            self.give_once(r.ReverseExecution(**told))
            return
        quantity = (executed.quantity * share).quantize(Decimal("0.000001")) or executed.quantity
        at = executed.price if price > executed.price * 2 else price
        self.give_once(r.CorrectExecution(**told, quantity=quantity, price=at))

    def is_fill(self, event: Event, side: Side) -> bool:
        order = self.world.aggregates.get(event.originator_id)
        return isinstance(event, Order.Executed) and order is not None and order.terms.side is side

    def execution(self, executed: Any) -> r.Execution:
        events = self.events()
        about = [one for one in events if getattr(one, "execution_id", None) == executed.execution_id]
        symbol = self.world.aggregates[executed.originator_id].symbol
        position = position_id(executed.account_id, symbol)
        found = r.execution_of(
            executed.execution_id, about, [e for e in events if e.originator_id == position]
        )
        assert found is not None
        return found

    @rule(side=st.sampled_from(Side), price=st.sampled_from([Decimal("9.5"), Decimal(11)]))
    def trade_and_take_it_back(self, side: Side, price: Decimal) -> None:
        """Some shares, sold at a profit or a loss or bought, to be taken back before anything rests on it."""
        account_id, quantity = self.accounts[0], Decimal("1.5")
        order = c.PlaceOrder(
            account_id=account_id,
            order_id=uuid4(),
            symbol=SYMBOLS[0],
            side=side,
            type=OrderType.LIMIT,
            quantity=quantity,
            limit_price=Decimal(9) if side is Side.SELL else Decimal(12),
        )
        self.give(order)
        self.orders.append(order)
        self.fill(order, Decimal(1), price, uuid4())
        traded = [
            e for e in self.events() if e.originator_id == order.order_id and isinstance(e, Order.Executed)
        ]
        for executed in traded:
            told = {"account_id": account_id, "execution": self.execution(executed), "reason": "a bust"}
            self.give_once(r.ReverseExecution(**told))

    def give_once(self, command: Any) -> None:
        """What was taken back is not taken back a second time."""
        if isinstance(self.give(command, actor="desk"), Refusal):
            return
        before = len(self.world.facts)
        assert isinstance(self.give(command, actor="desk"), Refusal)
        assert len(self.world.facts) == before

    # What the machine beside scans the log for is shown otherwise here.

    @rule(batch=st.sampled_from([5, 50, 2000]))
    def compare_everything(self, batch: int) -> None:
        self.world.project(batch)
        for account_id in self.accounts:
            found = check_books(self.world.url, account_id=account_id, patience=0)
            assert found.violation is None, found.violation
        for aggregate in self.world.cached():
            if aggregate.account_id in self.accounts:
                seen = [fact.event for fact in self.world.seen_by(aggregate)]
                assert len(seen) == aggregate.version

    def _not_asked(self) -> None:
        """A question whose answer the naive ledger works out without reversals."""

    ask_for_orders = ask_for_activity = ask_for_the_audit = ask_for_the_rest = _not_asked
    ask_for_the_worth_over_time = ask_for_statements = ask_for_the_firm = ask_for_an_actor = _not_asked

    @invariant()
    def money_in_is_money_there(self) -> None:
        """As if what was taken back had never been: what stands adds up to the cash and the cost of the lots."""
        for account_id in self.accounts:
            facts = [fact.event for fact in self.world.of([account_id])]
            gone = {e.reverses for e in facts if isinstance(e, Reversal)}
            standing = [e for e in facts if ref_of(e) not in gone and not isinstance(e, Reversal)]
            came = (
                Account.Deposited,
                Account.WithdrawalPutBack,
                Account.DividendPaid,
                Account.InterestPaid,
            )
            went = (Account.Withdrawn, Account.DepositTakenBack)
            moved = sum((e.amount for e in standing if isinstance(e, came)), NOTHING)
            moved -= sum((e.amount for e in standing if isinstance(e, went)), NOTHING)
            positions = self.positions(account_id)
            cost = sum((position.cost for position in positions), NOTHING)
            realised = sum((position.realised for position in positions), NOTHING)
            account = self.world.aggregates[account_id]
            assert moved == account.cash - account.owed + cost - realised

    @invariant()
    def unsettled_money_stays(self) -> None:
        for account_id in self.accounts:
            account = self.world.aggregates[account_id]
            assert NOTHING <= account.withdrawable <= account.available


def test_the_books_balance_whatever_is_taken_back(database: Any) -> None:
    world = World(database.app_url)
    try:
        machine = type("TakingBack", (TakingBack,), {"world": world})
        chosen = settings(
            deadline=None,
            suppress_health_check=list(HealthCheck),
            max_examples=12,
            stateful_step_count=40,
            derandomize="CI" in os.environ,
        )
        run_state_machine_as_test(machine, settings=chosen)

        assert [(one.compared, one.differences) for one in rebuild_all(world.url, [])] == [(True, 0)] * len(
            PROJECTIONS
        )
        kinds = Counter(fact.event.kind for fact in world.facts if isinstance(fact.event, Reversal))
        assert {"Order.Executed", "Account.PurchaseDebited", "Position.LotOpened"} <= set(kinds)
        assert {"Account.SaleCredited", "Position.LotsRelieved"} <= set(kinds), "no sale was ever taken back"
        assert {"Account.Deposited", "Account.Withdrawn", "Account.DividendPaid"} <= set(kinds)
    finally:
        world.close()
