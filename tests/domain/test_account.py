"""Cash, and cash held for open orders."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.account import Account, AccountStatus
from domain.errors import (
    AccountMustBeEmpty,
    AccountMustBeOpenForTrading,
    AccountMustNotBeClosed,
    AvailableCashMustCoverOrder,
    AvailableCashMustCoverWithdrawal,
    Refusal,
    ReinstatementMustBeApproved,
)
from domain.trade import Trade
from tests.domain.examples import (
    ACCOUNT,
    DATES,
    NOW,
    ORDER,
    OTHER_ORDER,
    OWNER,
    TRANSFER,
    D,
    a_trade,
    an_account,
    facts,
    names,
    refuses,
    replayed,
    snapshot,
    stored,
)


def test_an_account_is_opened_once():
    account = Account(id=ACCOUNT, account_id=ACCOUNT)

    account.open(owner_id=OWNER, at=NOW)
    account.open(owner_id=TRANSFER, at=NOW)

    assert facts(account) == [("Opened", {"owner_id": OWNER, "currency": "USD"})]
    assert (account.owner_id, account.opened_at) == (OWNER, NOW)


def test_every_fact_names_the_account_and_the_next_version():
    account = an_account("0")

    account.deposit(D("5.00"), transfer_id=TRANSFER, at=NOW)
    account.withdraw(D("2.00"), transfer_id=TRANSFER, at=NOW)

    assert [(e.originator_id, e.account_id, e.originator_version) for e in account.pending] == [
        (ACCOUNT, ACCOUNT, 2),
        (ACCOUNT, ACCOUNT, 3),
    ]
    assert account.cash == D("3.00")


def test_cash_held_for_an_order_cannot_be_withdrawn():
    account = an_account("100.00")
    account.hold(D("60.00"), order_id=ORDER, at=NOW)

    detail = refuses(
        AvailableCashMustCoverWithdrawal,
        account,
        lambda: account.withdraw(D("40.01"), transfer_id=TRANSFER, at=NOW),
    )

    assert detail == "40.00 is withdrawable, 40.01 was asked for"


def test_cash_held_for_an_order_cannot_be_spent_twice():
    account = an_account("100.00")
    account.hold(D("60.00"), order_id=ORDER, at=NOW)

    refuses(
        AvailableCashMustCoverOrder,
        account,
        lambda: account.hold(D("40.01"), order_id=OTHER_ORDER, at=NOW),
    )

    account.hold(D("40.00"), order_id=OTHER_ORDER, at=NOW)
    assert (account.held, account.available) == (D("100.00"), 0)


def test_a_released_hold_is_forgotten_when_nothing_is_left_of_it():
    account = an_account("100.00")
    account.hold(D("60.00"), order_id=ORDER, at=NOW)

    account.release(D("20.00"), order_id=ORDER, at=NOW)
    partly = dict(account.holds)
    account.release(D("40.00"), order_id=ORDER, at=NOW)

    assert partly == {ORDER: D("40.00")}
    assert (account.holds, account.held, account.available) == ({}, 0, D("100.00"))


def test_releasing_nothing_records_nothing():
    account = an_account()

    account.release(account.held_for(ORDER), order_id=ORDER, at=NOW)

    assert facts(account) == []


def test_a_purchase_is_paid_out_of_its_hold():
    account = an_account("1000.00")
    account.hold(D("525.00"), order_id=ORDER, at=NOW)
    stored(account)

    account.debit_purchase(a_trade("2", "100"), hold_after=D("315.00"), at=NOW)

    [(name, fact)] = facts(account)
    assert (name, fact["amount"], fact["released"]) == ("PurchaseDebited", D("200.00"), D("210.00"))
    assert (account.cash, account.held, account.available) == (D("800.00"), D("315.00"), D("485.00"))
    assert account.shares == {"AAPL": D(2)}


def test_a_sale_adds_its_proceeds_and_the_last_share_leaves_no_symbol_behind():
    account = an_account("0")
    account.shares["AAPL"] = D(2)

    account.credit_sale(a_trade("2", "100.50"), at=NOW)

    assert names(account) == ["SaleCredited"]
    assert (account.cash, account.shares) == (D("201.00"), {})


@pytest.mark.parametrize(
    "decide",
    [
        lambda a: a.withdraw(D("1.00"), transfer_id=TRANSFER, at=NOW),
        lambda a: a.hold(D("1.00"), order_id=ORDER, at=NOW),
    ],
)
def test_a_suspended_account_takes_no_orders_and_pays_nothing_out(decide):
    account = an_account()
    account.suspend("under review", at=NOW)

    detail = refuses(AccountMustBeOpenForTrading, account, lambda: decide(account))

    assert detail == "the account is suspended"


def test_a_suspended_account_still_takes_deposits_and_gives_back_holds():
    account = an_account()
    account.hold(D("10.00"), order_id=ORDER, at=NOW)
    account.suspend("under review", at=NOW)
    stored(account)

    account.deposit(D("1.00"), transfer_id=TRANSFER, at=NOW)
    account.release(D("10.00"), order_id=ORDER, at=NOW)

    assert names(account) == ["Deposited", "FundsReleased"]


def test_suspending_and_reinstating_twice_records_each_once():
    account = an_account()

    for decide in (account.suspend, account.suspend, account.reinstate, account.reinstate):
        decide("a reason", at=NOW)

    assert facts(account) == [
        ("Suspended", {"reason": "a reason", "until": None, "case_id": None}),
        ("Reinstated", {"reason": "a reason"}),
    ]
    assert account.status is AccountStatus.OPEN


def test_what_surveillance_blocked_is_reinstated_by_two_only():
    account = an_account()
    account.suspend("surveillance: eleven round trips in MSFT", at=NOW)
    stored(account)

    refuses(ReinstatementMustBeApproved, account, lambda: account.reinstate("it was a mistake", at=NOW))
    account.reinstate("it was a mistake", is_approved=True, at=NOW)

    assert facts(account) == [("Reinstated", {"reason": "it was a mistake"})]
    assert not account.is_blocked_by_surveillance


@pytest.mark.parametrize("left", ["cash", "shares", "hold"])
def test_an_account_that_has_something_cannot_be_closed(left):
    account = an_account("10.00" if left == "cash" else "0")
    if left == "shares":
        account.shares["AAPL"] = D("0.000001")
    if left == "hold":
        account.holds[ORDER] = D("0.01")

    refuses(AccountMustBeEmpty, account, lambda: account.close(at=NOW))

    assert account.status is AccountStatus.OPEN


@pytest.mark.parametrize(
    "decide",
    [
        lambda a: a.deposit(D("1.00"), transfer_id=TRANSFER, at=NOW),
        lambda a: a.suspend("late", at=NOW),
        lambda a: a.reinstate("late", at=NOW),
    ],
)
def test_a_closed_account_stays_closed(decide):
    account = an_account("0")
    account.close(at=NOW)
    account.close(at=NOW)
    assert names(account) == ["Closed"]

    refuses(AccountMustNotBeClosed, account, lambda: decide(account))


ONE = D(1)
ORDERS = [UUID(int=n) for n in range(50, 54)]
cents = st.integers(1, 100_000).map(lambda n: Decimal(n) / 100)
shares = st.integers(1, 5_000_000).map(lambda n: Decimal(n) / 1_000_000)
parts = st.fractions(0, 1)


def part_of(amount: Decimal, part) -> Decimal:
    return (amount * part.numerator / part.denominator).quantize(D("0.01"), "ROUND_DOWN")


class AccountMachine(RuleBasedStateMachine):
    """Anything may be asked of an account in any order; `cash` is kept a second time, by hand."""

    @initialize()
    def open_an_account(self):
        self.account = Account(id=ACCOUNT, account_id=ACCOUNT)
        self.history, self.cash = [], D(0)
        self.ask(lambda: self.account.open(owner_id=OWNER, at=NOW))

    def ask(self, decide):
        """Decide; store what was recorded. Answers whether it was allowed."""
        try:
            decide()
        except Refusal:
            assert self.account.pending == []
            return False
        self.history += self.account.pending
        self.account.pending.clear()
        return True

    @rule(amount=cents)
    def deposit(self, amount):
        if self.ask(lambda: self.account.deposit(amount, transfer_id=TRANSFER, at=NOW)):
            self.cash += amount

    @rule(amount=cents)
    def withdraw(self, amount):
        enough = amount <= self.account.withdrawable and self.account.status is AccountStatus.OPEN
        assert self.ask(lambda: self.account.withdraw(amount, transfer_id=TRANSFER, at=NOW)) == enough
        self.cash -= amount * enough

    @rule(order_id=st.sampled_from(ORDERS), amount=cents)
    def hold(self, order_id, amount):
        enough = amount <= self.account.available and self.account.status is AccountStatus.OPEN
        assert self.ask(lambda: self.account.hold(amount, order_id=order_id, at=NOW)) == enough

    @rule(order_id=st.sampled_from(ORDERS), part=parts)
    def release(self, order_id, part):
        amount = part_of(self.account.held_for(order_id), part)
        assert self.ask(lambda: self.account.release(amount, order_id=order_id, at=NOW))

    @precondition(lambda self: self.account.holds)
    @rule(index=st.integers(0, 3), paid=parts, kept=parts, quantity=shares)
    def buy(self, index, paid, kept, quantity):
        order_id = list(self.account.holds)[index % len(self.account.holds)]
        amount = part_of(self.account.held_for(order_id), paid)
        hold_after = part_of(self.account.held_for(order_id) - amount, kept)
        trade = self.trade(order_id, quantity, amount, leaves=ONE if hold_after else D(0))
        assert self.ask(lambda: self.account.debit_purchase(trade, hold_after=hold_after, at=NOW))
        assert self.account.held_for(order_id) == hold_after
        self.cash -= amount

    @precondition(lambda self: self.account.shares)
    @rule(amount=cents, quantity=shares)
    def sell(self, amount, quantity):
        trade = self.trade(ORDERS[0], min(quantity, self.account.shares["AAPL"]), amount)
        assert self.ask(lambda: self.account.credit_sale(trade, at=NOW))
        self.cash += amount

    @rule()
    def suspend(self):
        self.ask(lambda: self.account.suspend("review", at=NOW))

    @rule()
    def reinstate(self):
        self.ask(lambda: self.account.reinstate("cleared", at=NOW))

    @precondition(lambda self: not self.account.holds)
    @rule()
    def close(self):
        empty = not self.account.cash and not self.account.shares
        assert self.ask(lambda: self.account.close(at=NOW)) == empty

    def trade(self, order_id, quantity, amount, leaves=ONE):
        return Trade(
            order_id=order_id,
            execution_id=TRANSFER,
            symbol="AAPL",
            quantity=quantity,
            price=D(1),
            amount=amount,
            leaves_quantity=leaves,
            street=amount,
            **DATES,
        )

    @invariant()
    def nothing_is_promised_that_is_not_there(self):
        assert 0 <= self.account.held <= self.account.cash
        assert self.account.held == sum(self.account.holds.values())
        assert all(amount >= 0 for amount in self.account.holds.values())
        assert all(quantity > 0 for quantity in self.account.shares.values())

    @invariant()
    def the_cash_is_what_came_in_less_what_went_out(self):
        assert self.account.cash == self.cash

    @invariant()
    def history_and_snapshot_give_the_same_account(self):
        assert replayed(self.account, self.history) == self.account == snapshot(self.account)
        assert [e.originator_version for e in self.history] == list(range(1, self.account.version + 1))


AccountMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAccountInAnyOrder = AccountMachine.TestCase
