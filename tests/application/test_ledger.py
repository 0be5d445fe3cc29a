"""The whole ledger: customers do anything in any order, and the books still balance.

The canaries at the end are wrong on purpose: the same checks must catch each of them.
"""

from collections import defaultdict
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from application import commands as c
from application.answers import OrderAnswer
from application.handlers import handle
from domain.account import Account
from domain.errors import AccountMustExist, Refusal
from domain.order import Order
from domain.position import Position
from domain.terms import OrderType, Side, TimeInForce
from domain.values import NOTHING
from tests.application.desk import Desk
from tests.domain.examples import OWNER, TRANSFER

CUSTOMERS = [UUID(int=n) for n in (11, 12, 13)]
STRANGER = UUID(int=99)

customers = st.sampled_from(CUSTOMERS)
symbols = st.sampled_from(["AAPL", "BRK.B"])
cents = st.integers(1, 50_000).map(lambda n: Decimal(n) / 100)
prices = st.integers(1, 60_000).map(lambda n: Decimal(n) / 10_000)
whole = st.integers(1, 30).map(Decimal)
quantities = whole | whole | st.integers(1, 30_000_000).map(lambda n: Decimal(n) / 1_000_000)
orders = st.integers(0, 1000)


class LedgerMachine(RuleBasedStateMachine):
    """Commands of several customers, most of them possible, some not. Money is counted a second time."""

    desk_of = Desk
    decide = staticmethod(handle)

    @initialize(amounts=st.lists(cents, min_size=3, max_size=3), price=prices)
    def open_accounts(self, amounts, price):
        self.desk = self.desk_of(self.decide)
        self.moved, self.orders, self.reports = defaultdict(lambda: NOTHING), [], []
        for customer, amount in zip(CUSTOMERS, amounts, strict=True):
            self.send(c.OpenAccount(account_id=customer, owner_id=OWNER))
            self.deposit(customer, amount)
            self.deposit(customer, Decimal("200.00"))
            self.buy(customer, "AAPL", Decimal(20), price)

    def send(self, command):
        """The answer; None when it was refused, and then nothing was stored."""
        stored = len(self.desk.log)
        try:
            return self.desk.send(command)
        except Refusal:
            assert len(self.desk.log) == stored
            return None

    def chosen(self, index):
        """One of the orders, mostly one that is open."""
        found = [self.desk.order(order_id) for order_id in self.orders]
        mostly = [order for order in found if order.is_open and index % 5]
        return (mostly or found)[index % len(mostly or found)]

    # Money.

    @rule(customer=customers, amount=cents)
    def deposit(self, customer, amount):
        assert self.send(c.Deposit(account_id=customer, transfer_id=TRANSFER, amount=amount))
        self.moved[customer] += amount

    @rule(customer=customers, amount=cents)
    def withdraw(self, customer, amount):
        if self.send(c.Withdraw(account_id=customer, transfer_id=TRANSFER, amount=amount)):
            self.moved[customer] -= amount

    @rule(customer=st.just(CUSTOMERS[-1]))  # the others stay in good standing, or little would happen
    def suspend(self, customer):
        assert self.send(c.SuspendAccount(account_id=customer, reason="review")).status == "suspended"

    @rule(customer=st.just(CUSTOMERS[-1]))
    def reinstate(self, customer):
        assert self.send(c.ReinstateAccount(account_id=customer, reason="cleared")).status == "open"

    @rule()
    def bother_an_account_that_is_not_there(self):
        with pytest.raises(AccountMustExist):
            self.desk.send(c.Deposit(account_id=STRANGER, transfer_id=TRANSFER, amount=Decimal(1)))

    # Orders.

    @rule(
        customer=customers,
        symbol=symbols,
        side=st.sampled_from(Side),
        kind=st.sampled_from(OrderType),
        time_in_force=st.sampled_from(TimeInForce),
        quantity=quantities,
        prices=st.tuples(prices, prices, prices | prices | st.none()),
    )
    def place(self, *, customer, symbol, side, kind, time_in_force, quantity, prices):
        limit, stop, ask = prices
        order_id, stored = UUID(int=1000 + len(self.orders)), len(self.desk.log)
        answer = self.send(
            c.PlaceOrder(
                account_id=customer,
                order_id=order_id,
                symbol=symbol,
                side=side,
                type=kind,
                quantity=quantity,
                time_in_force=time_in_force,
                limit_price=limit if kind.has_limit else None,
                stop_price=stop if kind.has_stop else None,
                ask=ask,
            )
        )
        assert answer is not None
        self.orders.append(order_id)
        if answer.status == "rejected":
            assert self.desk.said(stored) == ["Order.Rejected"]
            assert answer.reason
            assert answer.detail

    @rule(customer=customers, symbol=symbols, quantity=quantities, price=prices)
    def buy(self, customer, symbol, quantity, price):
        self.place(
            customer=customer,
            symbol=symbol,
            side=Side.BUY,
            kind=OrderType.LIMIT,
            time_in_force=TimeInForce.DAY,
            quantity=quantity,
            prices=(price, None, None),
        )
        order = self.desk.order(self.orders[-1])
        if order.is_open:
            self.fill(len(self.ready()) - 1, 1, 0)

    @precondition(lambda self: any(p.free for p in self.positions()))
    @rule(index=orders, kind=st.sampled_from([OrderType.MARKET, OrderType.LIMIT]), part=st.integers(1, 4))
    def sell_what_is_there(self, index, kind, part):
        free = [position for position in self.positions() if position.free]
        position = free[index % len(free)]
        quantity = max(position.free / part, Decimal("0.000001")).quantize(Decimal("0.000001"), "ROUND_DOWN")
        self.place(
            customer=position.account_id,
            symbol=position.symbol,
            side=Side.SELL,
            kind=kind,
            time_in_force=TimeInForce.GTC,
            quantity=quantity,
            prices=(Decimal(2), None, None),
        )

    @precondition(lambda self: self.orders)
    @rule(
        index=orders,
        quantity=st.none() | quantities,
        limit=st.none() | prices,
        stop=st.none() | prices,
        ask=prices,
    )
    def replace(self, index, quantity, limit, stop, ask):
        order = self.chosen(index)
        self.send(
            c.ReplaceOrder(
                account_id=order.account_id,
                order_id=order.id,
                quantity=quantity,
                limit_price=limit if order.terms.type.has_limit else None,
                stop_price=stop if order.terms.type.has_stop else None,
                ask=ask,
            )
        )

    @precondition(lambda self: self.orders)
    @rule(index=orders)
    def enlarge_beyond_what_can_be_covered(self, index):
        order = self.chosen(index)
        command = c.ReplaceOrder(
            account_id=order.account_id, order_id=order.id, quantity=Decimal(10**9), ask=Decimal(1)
        )
        assert self.send(command) is None

    @precondition(lambda self: self.orders)
    @rule(index=orders, kind=st.sampled_from([c.CancelOrder, c.ExpireOrder]))
    def end(self, index, kind):
        order = self.chosen(index)
        was_open = order.is_open
        answer = self.send(kind(account_id=order.account_id, order_id=order.id, symbol=order.symbol))
        assert answer or not was_open
        assert not self.desk.order(order.id).is_open

    @precondition(lambda self: self.orders)
    @rule(index=orders, kind=st.sampled_from([c.CancelOrder, c.ExpireOrder, c.ReplaceOrder]))
    def meddle_with_another_customers_order(self, index, kind):
        order = self.chosen(index)
        other = CUSTOMERS[CUSTOMERS.index(order.account_id) - 1]
        assert self.send(kind(account_id=other, order_id=order.id, symbol=order.symbol)) is None

    # The venue.

    @precondition(lambda self: self.orders)
    @rule(index=orders)
    def accept(self, index):
        order = self.chosen(index)
        assert self.send(c.AcceptOrder(account_id=order.account_id, order_id=order.id, venue="daybook"))

    @precondition(lambda self: any(self.desk.order(o).waits_for_stop for o in self.orders))
    @rule(index=orders, price=prices)
    def trigger(self, index, price):
        waiting = [o for o in map(self.desk.order, self.orders) if o.waits_for_stop]
        order = waiting[index % len(waiting)]
        command = c.TriggerOrder(
            account_id=order.account_id, order_id=order.id, quote=1, elected_by="last", price=price
        )
        assert (self.send(command) is not None) == order.is_open

    @precondition(lambda self: self.ready())
    @rule(index=orders, part=st.integers(1, 5), better=st.integers(0, 9_999))
    def fill(self, index, part, better):
        order = self.ready()[index % len(self.ready())]
        quantity = max(order.leaves / part, Decimal("0.000001")).quantize(Decimal("0.000001"), "ROUND_DOWN")
        report = self.report(order, quantity, self.fair_price(order, Decimal(better) / 10_000))
        answer = self.send(report)
        assert answer is not None
        assert answer.status == ("filled" if part == 1 or not answer.leaves_quantity else "partially_filled")
        self.reports.append(report)

    @precondition(lambda self: self.reports)
    @rule(index=orders)
    def report_an_execution_again(self, index):
        stored = len(self.desk.log)
        assert self.send(self.reports[index % len(self.reports)]) is not None
        assert self.desk.said(stored) == []

    @precondition(lambda self: self.orders)
    @rule(index=orders, extra=quantities)
    def report_more_than_is_left(self, index, extra):
        order = self.chosen(index)
        price = self.fair_price(order, Decimal(0))
        assert self.send(self.report(order, order.leaves + extra, price)) is None

    @precondition(lambda self: self.ready())
    @rule(index=orders)
    def report_a_price_worse_than_the_limit(self, index):
        order = self.ready()[index % len(self.ready())]
        worse = order.price_cap or order.terms.limit_price or Decimal(0)
        worse += Decimal("0.0001") if order.terms.is_buy else -Decimal("0.0001")
        assert self.send(self.report(order, order.leaves, worse)) is None

    def ready(self):
        """The orders that may trade, oldest first."""
        found = map(self.desk.order, self.orders)
        return [order for order in found if order.is_open and not order.waits_for_stop]

    def fair_price(self, order, part):
        """A price the order may trade at: its bound, or better by a part."""
        if order.terms.is_buy:
            bound = order.price_cap or Decimal(1)
            return max(bound * (1 - part), Decimal("0.0001")).quantize(Decimal("0.0001"), "ROUND_DOWN")
        bound = order.terms.limit_price or Decimal("0.5")
        return (bound * (1 + part)).quantize(Decimal("0.0001"), "ROUND_UP")

    def report(self, order, quantity, price):
        return c.ExecuteOrder(
            account_id=order.account_id,
            order_id=order.id,
            execution_id=UUID(int=10_000 + len(self.reports)),
            quantity=quantity,
            price=price,
            venue="daybook",
            quote=1,
        )

    # What always holds.

    def all_of(self, kind):
        return [aggregate for aggregate in self.desk.live.values() if type(aggregate) is kind]

    def positions(self):
        return self.all_of(Position)

    def open_orders(self, account_id, *, is_buy):
        return [
            order
            for order in self.all_of(Order)
            if order.account_id == account_id and order.is_open and order.terms.is_buy == is_buy
        ]

    @invariant()
    def money_in_is_cash_and_cost_of_lots_less_what_was_realised(self):
        for account in self.all_of(Account):
            mine = [p for p in self.positions() if p.account_id == account.id]
            cost, realised = sum(p.cost for p in mine), sum(p.realised for p in mine)
            assert self.moved[account.id] == account.cash + cost - realised

    @invariant()
    def cash_is_what_moved_and_what_orders_paid_and_received(self):
        for account in self.all_of(Account):
            mine = [o for o in self.all_of(Order) if o.account_id == account.id]
            traded = sum(-o.spent if o.terms.is_buy else o.spent for o in mine)
            assert account.cash == self.moved[account.id] + traded
            assert all(o.spent >= o.notional for o in mine if o.terms.is_buy)
            assert all(o.spent <= o.notional for o in mine if not o.terms.is_buy)
            assert all(abs(o.spent - o.notional) < Decimal("0.01") for o in mine)

    @invariant()
    def nothing_is_negative(self):
        for account in self.all_of(Account):
            assert 0 <= account.held <= account.cash
        for position in self.positions():
            assert 0 <= position.reserved <= position.quantity
            assert all(lot.quantity > 0 and lot.cost >= 0 for lot in position.lots)
        for order in self.all_of(Order):
            assert 0 <= order.filled <= order.terms.quantity

    @invariant()
    def what_is_held_is_the_cover_of_the_open_purchases(self):
        for account in self.all_of(Account):
            covers = {o.id: o.cover for o in self.open_orders(account.id, is_buy=True)}
            assert account.holds == covers
            assert account.held == sum(covers.values())

    @invariant()
    def what_is_reserved_is_the_leaves_of_the_open_sales(self):
        for position in self.positions():
            sales = self.open_orders(position.account_id, is_buy=False)
            leaves = {o.id: o.leaves for o in sales if o.symbol == position.symbol}
            assert position.reserves == leaves
            assert position.reserved == sum(leaves.values())

    @invariant()
    def the_account_knows_the_shares_of_its_positions(self):
        for account in self.all_of(Account):
            mine = {p.symbol: p.quantity for p in self.positions() if p.account_id == account.id}
            assert account.shares == {symbol: quantity for symbol, quantity in mine.items() if quantity}
            for position in self.positions():
                assert position.quantity == sum(lot.quantity for lot in position.lots)

    @invariant()
    def the_log_from_its_first_fact_on_gives_the_same_state(self):
        assert self.desk.replayed() == self.desk.live

    @invariant()
    def every_order_that_came_in_is_kept(self):
        for order_id in self.orders:
            born = self.desk.history(order_id)[0]
            assert type(born) in (Order.Placed, Order.Rejected)


LedgerMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestLedgerInAnyOrder = LedgerMachine.TestCase


def cancels_without_giving_back(command, ledger):
    if not isinstance(command, c.CancelOrder):
        return handle(command, ledger)
    order = ledger.order(command.order_id, account_id=command.account_id)
    order.cancel(command.reason, at=ledger.now)
    return OrderAnswer.of(order)


def gives_a_cent_with_every_execution(command, ledger):
    answer = handle(command, ledger)
    if isinstance(command, c.ExecuteOrder):
        account = ledger.account(command.account_id)
        account.deposit(Decimal("0.01"), transfer_id=TRANSFER, at=ledger.now)
    return answer


def changes_what_it_did_not_record(command, ledger):
    answer = handle(command, ledger)
    if isinstance(command, c.Withdraw):
        ledger.account(command.account_id).held += Decimal("0.01")
    return answer


class KeepsWhatWasRefused(Desk):
    """A committer that forgets to drop what a refused command has touched."""

    def abandon(self, touched):
        for aggregate in touched:
            aggregate.pending.clear()


CANARIES = [
    ({"decide": staticmethod(cancels_without_giving_back)}, ["held", "reserved"]),
    ({"decide": staticmethod(gives_a_cent_with_every_execution)}, ["money", "cash"]),
    ({"decide": staticmethod(changes_what_it_did_not_record)}, ["log", "held"]),
    ({"desk_of": KeepsWhatWasRefused}, ["log", "held", "reserved"]),
]
CAUGHT_BY = {
    "money": LedgerMachine.money_in_is_cash_and_cost_of_lots_less_what_was_realised,
    "cash": LedgerMachine.cash_is_what_moved_and_what_orders_paid_and_received,
    "held": LedgerMachine.what_is_held_is_the_cover_of_the_open_purchases,
    "reserved": LedgerMachine.what_is_reserved_is_the_leaves_of_the_open_sales,
    "log": LedgerMachine.the_log_from_its_first_fact_on_gives_the_same_state,
}
QUICKLY = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


@pytest.mark.parametrize(("wrong", "invariants"), CANARIES)
def test_a_ledger_that_is_wrong_on_purpose_is_caught(wrong, invariants):
    canary = type("WrongLedger", (LedgerMachine,), wrong)

    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(canary, settings=QUICKLY)

    assert caught.traceback[-1].name in {CAUGHT_BY[name].__name__ for name in invariants}


def test_a_fold_that_forgets_sold_shares_is_caught(monkeypatch):
    def forget(event, account):
        account.cash += event.amount

    monkeypatch.setattr(Account.SaleCredited, "apply", forget)

    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(LedgerMachine, settings=QUICKLY)

    assert caught.traceback[-1].name == "the_account_knows_the_shares_of_its_positions"
