"""What was recorded wrongly is taken back: by mirrored entries, once, and with the right fact in its place."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application import commands as c
from application import correcting as r
from application.ledger import Ledger
from application.rules import TradingRules
from domain.account import Account
from domain.aggregate import Event, EventRef
from domain.books import Sum, broken, moved
from domain.errors import (
    AvailableCashMustCoverReversal,
    CorrectionMustChangeSomething,
    EventMustBeReversible,
    EventMustNotBeReversed,
    ExecutionMustNotExceedLeaves,
    ExecutionMustRespectItsLimit,
    LotMustBeWhole,
    Refusal,
)
from domain.facts import AGGREGATE_OF
from domain.fees import FeeSchedule, Per, Rate
from domain.journal import imbalance, postings
from domain.order import Order
from domain.position import Position
from domain.terms import OrderType, Side
from tests.application.desk import Desk
from tests.domain.examples import ACCOUNT, COLLAR, NOW, OWNER

D = Decimal
WHY = "entered twice"
FEES = FeeSchedule(
    (
        Rate(
            name="commission",
            since=date(2026, 1, 1),
            rate=D("0.0035"),
            per=Per.SHARE,
            sides=frozenset(Side),
            least=D("0.35"),
        ),
        Rate(name="sec31", since=date(2026, 1, 1), rate=D("0.0000206"), per=Per.DOLLAR),
    )
)


class Office(Desk):
    """A desk with fees whose books are looked at after every command."""

    def __init__(self) -> None:
        super().__init__()
        self.balances: dict[str, Sum] = {}
        self.counted = 0
        self.number = 0
        self.send(c.OpenAccount(account_id=ACCOUNT, owner_id=OWNER))

    def send(self, command: c.Command) -> Any:
        ledger = Ledger(self.load, now=self.now, rules=TradingRules(collar=COLLAR, fees=FEES))
        try:
            answer = self.decide(command, ledger)
        except Refusal:
            self.abandon(ledger.touched())
            raise
        self.keep(ledger)
        self.require_books()
        return answer

    def require_books(self) -> None:
        for event in self.log[self.counted :]:
            lines = postings(event)
            assert not imbalance(lines), event
            for line in lines:
                moved(self.balances, line, str(ACCOUNT))
        self.counted = len(self.log)
        positions = [self.position(ACCOUNT, symbol) for symbol in ("AAPL", "MSFT")]
        found = list(broken(self.balances, account=self.account, positions=[p for p in positions if p.version]))
        assert not found, [str(one) for one in found]
        assert self.account.withdrawable <= max(self.account.available, D(0))

    @property
    def account(self) -> Account:
        return self.load(Account, ACCOUNT, ACCOUNT)

    def next_id(self) -> UUID:
        self.number += 1
        return UUID(int=5000 + self.number)

    def deposit(self, amount: str = "1000.00") -> Event:
        self.send(c.Deposit(account_id=ACCOUNT, transfer_id=self.next_id(), amount=D(amount)))
        return self.log[-1]

    def order(self, side: Side, quantity: str, limit: str = "10") -> UUID:  # type: ignore[override]
        order_id = self.next_id()
        answer = self.send(
            c.PlaceOrder(
                account_id=ACCOUNT,
                order_id=order_id,
                symbol="AAPL",
                side=side,
                type=OrderType.LIMIT,
                quantity=D(quantity),
                limit_price=D(limit),
            )
        )
        assert answer.status == "accepted", answer
        return order_id

    def fill(self, order_id: UUID, quantity: str, price: str = "10") -> UUID:
        execution_id = self.next_id()
        command = c.ExecuteOrder(
            account_id=ACCOUNT,
            order_id=order_id,
            execution_id=execution_id,
            quantity=D(quantity),
            price=D(price),
            venue="internal",
            quote=7,
        )
        self.send(command)
        return execution_id

    def trade(self, side: Side, quantity: str, price: str = "10") -> UUID:
        return self.fill(self.order(side, quantity, price), quantity, price)

    def next_day(self, days: int = 1) -> None:
        self.now += timedelta(days=days)

    def settle(self) -> None:
        self.send(c.Settle(account_id=ACCOUNT, through=self.now.date()))

    def execution(self, execution_id: UUID) -> r.Execution:
        history = [event for event in self.log if AGGREGATE_OF[type(event)] is Position]
        found = r.execution_of(execution_id, self.log, history)
        assert found is not None
        return found

    def reverse(self, what: Any) -> Any:
        if isinstance(what, UUID):
            return self.send(
                r.ReverseExecution(account_id=ACCOUNT, execution=self.execution(what), reason=WHY)
            )
        return self.send(r.ReverseCash(account_id=ACCOUNT, event=what, reason=WHY))

    def correct(self, execution_id: UUID, quantity: str, price: str) -> Any:
        wrong = self.execution(execution_id)
        command = r.CorrectExecution(
            account_id=ACCOUNT, execution=wrong, reason=WHY, quantity=D(quantity), price=D(price)
        )
        return self.send(command)

    def order_of(self, execution_id: UUID) -> Order:
        return self.load(Order, self.execution(execution_id).executed.originator_id, ACCOUNT)

    def refuses(self, refusal: type[Refusal], what: Any) -> None:
        stored = len(self.log)
        with pytest.raises(refusal):
            what()
        assert len(self.log) == stored


def _an_office(cash: str = "1000.00") -> Office:
    office = Office()
    office.deposit(cash)
    return office


def _what_counts(office: Office) -> tuple[Any, ...]:
    account, position = office.account, office.position(ACCOUNT)
    return (
        account.cash,
        account.held,
        dict(account.holds),
        dict(account.shares),
        account.withdrawable,
        position.quantity,
        position.reserved,
        list(position.lots),
        position.realised,
        list(position.losses),
    )


def test_a_deposit_is_taken_back_and_the_books_are_as_before():
    office = _an_office()
    before, cash = dict(office.balances), office.account.cash

    wrong = office.deposit("250.00")
    office.reverse(wrong)

    assert office.account.cash == cash
    assert office.balances == before
    assert office.said(-2) == ["Account.Reversed", "Transfer.Returned"]


def test_the_reversal_names_what_it_reverses_and_counts_to_its_day():
    office = _an_office()
    wrong = office.deposit("250.00")
    office.next_day(3)

    office.reverse(wrong)

    reversed_ = office.log[-2]
    assert reversed_.reverses == EventRef(wrong.originator_id, wrong.originator_version)
    assert reversed_.effective_on == NOW.date()
    assert reversed_.original == wrong
    assert reversed_.reason == WHY


def test_an_event_is_reversed_once():
    office = _an_office()
    wrong = office.deposit("250.00")
    office.reverse(wrong)

    office.refuses(EventMustNotBeReversed, lambda: office.reverse(wrong))


def test_what_is_not_there_any_more_cannot_be_taken_back():
    office = _an_office("100.00")
    wrong = office.log[-1]
    office.trade(Side.BUY, "5", "10")

    office.refuses(AvailableCashMustCoverReversal, lambda: office.reverse(wrong))


def test_what_nothing_takes_back_is_refused():
    office = _an_office()

    office.refuses(EventMustBeReversible, lambda: office.reverse(office.log[0]))


def test_the_money_of_an_execution_is_not_taken_back_alone():
    office = _an_office()
    wrong = office.execution(office.trade(Side.BUY, "5"))

    office.refuses(EventMustBeReversible, lambda: office.reverse(wrong.cash))


def test_a_deposit_is_corrected_by_the_right_one_on_its_day():
    office = _an_office()
    wrong = office.deposit("250.00")
    office.next_day()

    office.send(r.CorrectCash(account_id=ACCOUNT, event=wrong, amount=D("205.00"), reason=WHY))

    right = next(event for event in office.log[::-1] if isinstance(event, Account.Deposited))
    assert office.account.cash == D("1205.00")
    assert (right.amount, right.corrects, right.effective_on) == (
        D("205.00"),
        EventRef(wrong.originator_id, wrong.originator_version),
        NOW.date(),
    )


def test_a_correction_must_change_something():
    office = _an_office()
    same = r.CorrectCash(account_id=ACCOUNT, event=office.log[-1], amount=D("1000.00"), reason=WHY)

    office.refuses(CorrectionMustChangeSomething, lambda: office.send(same))


def test_a_withdrawal_is_taken_back():
    office = _an_office()
    before = _what_counts(office)
    office.send(c.Withdraw(account_id=ACCOUNT, transfer_id=office.next_id(), amount=D("300.00")))

    office.reverse(office.log[-1])

    assert _what_counts(office) == before


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("part", ["10", "4"])
def test_a_purchase_is_taken_back_whole(is_settled, part):
    office = _an_office()
    cash, order_id = office.account.cash, office.order(Side.BUY, "10")
    execution_id = office.fill(order_id, part)
    if is_settled:
        office.next_day()
        office.settle()

    office.reverse(execution_id)
    order = office.load(Order, order_id, ACCOUNT)

    assert office.account.cash == cash
    assert not office.account.shares
    assert not office.position(ACCOUNT).lots
    assert (order.filled, order.busted, order.leaves) == (D(0), D(part), D(10) - D(part))
    assert (order.spent, order.notional, order.charged) == (D(0), D(0), {})
    assert office.account.held == order.cover
    assert bool(office.account.unsettled) is is_settled


def test_what_had_settled_goes_back_with_the_next_settlement():
    office = _an_office()
    execution_id = office.trade(Side.BUY, "10")
    office.next_day()
    office.settle()
    office.reverse(execution_id)
    withdrawable = office.account.withdrawable

    office.next_day()
    office.settle()

    assert not office.account.unsettled
    assert withdrawable < office.account.withdrawable == D("1000.00")
    assert {name for name in office.balances if ":SR:" in name or "NSCC" in name} == set()


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_sale_is_taken_back_and_its_lots_stand_in_their_places(is_settled):
    office = _an_office()
    for price in ("10", "11", "12"):
        office.trade(Side.BUY, "10", price)
        office.next_day(40)
    office.settle()
    before = _what_counts(office)
    execution_id = office.trade(Side.SELL, "15", "20")
    if is_settled:
        office.next_day()
        office.settle()

    office.reverse(execution_id)
    if is_settled:
        office.next_day()
        office.settle()

    assert _what_counts(office) == before


def test_a_sale_whose_money_is_gone_stays():
    office = _an_office("105.00")
    office.trade(Side.BUY, "10", "10")
    execution_id = office.trade(Side.SELL, "10", "20")
    office.trade(Side.BUY, "19", "10")

    office.refuses(AvailableCashMustCoverReversal, lambda: office.reverse(execution_id))


def test_a_purchase_whose_shares_were_sold_stays():
    office = _an_office()
    execution_id = office.trade(Side.BUY, "10")
    office.trade(Side.SELL, "1")

    office.refuses(LotMustBeWhole, lambda: office.reverse(execution_id))


def test_a_purchase_whose_shares_are_promised_stays():
    office = _an_office()
    execution_id = office.trade(Side.BUY, "10")
    office.order(Side.SELL, "1")

    office.refuses(LotMustBeWhole, lambda: office.reverse(execution_id))


def test_a_sale_whose_loss_was_disallowed_stays():
    office = _an_office()
    office.trade(Side.BUY, "10", "20")
    execution_id = office.trade(Side.SELL, "10", "10")
    office.trade(Side.BUY, "10", "10")
    assert office.said(-1) == ["Position.WashSaleDisallowed"]

    office.refuses(EventMustBeReversible, lambda: office.reverse(execution_id))


def test_busted_shares_are_not_traded_again():
    office = _an_office()
    order_id = office.order(Side.BUY, "10")
    office.reverse(office.fill(order_id, "4"))

    office.refuses(ExecutionMustNotExceedLeaves, lambda: office.fill(order_id, "7"))
    office.fill(order_id, "6")

    order = office.load(Order, order_id, ACCOUNT)
    assert (order.status, order.filled, order.leaves) == ("filled", D(6), D(0))
    assert not office.account.holds


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_an_execution_is_corrected(side, is_settled):
    office = _an_office()
    office.trade(Side.BUY, "10", "10")
    office.next_day(40)
    office.settle()
    limit = "12" if side is Side.BUY else "9"
    order_id = office.order(side, "10", limit)
    execution_id = office.fill(order_id, "10", "11")
    if is_settled:
        office.next_day()
        office.settle()

    office.correct(execution_id, "8", "10.50")

    right = next(event for event in office.log[::-1] if isinstance(event, Order.Executed))
    order = office.load(Order, order_id, ACCOUNT)
    assert right.execution_id != execution_id
    assert right.corrects is not None
    assert (order.filled, order.busted, order.notional, order.status) == (D(8), D(2), D(84), "filled")
    assert office.position(ACCOUNT).quantity == (D(18) if side is Side.BUY else D(2))
    office.next_day(3)
    office.settle()
    assert not office.account.unsettled
    assert office.account.withdrawable == office.account.cash


def test_a_correction_respects_the_limit_and_what_was_executed():
    office = _an_office()
    execution_id = office.trade(Side.BUY, "10", "10")

    office.refuses(ExecutionMustRespectItsLimit, lambda: office.correct(execution_id, "10", "10.01"))
    office.refuses(ExecutionMustNotExceedLeaves, lambda: office.correct(execution_id, "11", "9"))
    office.refuses(CorrectionMustChangeSomething, lambda: office.correct(execution_id, "10", "10"))


def test_a_corrected_purchase_keeps_its_day_and_place():
    office = _an_office()
    wrong = office.trade(Side.BUY, "10", "10")
    office.next_day(10)
    office.trade(Side.BUY, "5", "10")

    office.correct(wrong, "10", "9")

    first, second = office.position(ACCOUNT).lots
    assert (first.quantity, first.acquired_at, first.cost) == (D(10), NOW, D("90.35"))
    assert second.quantity == D(5)


def test_a_correction_is_reversed_in_its_turn():
    office = _an_office()
    office.correct(office.trade(Side.BUY, "10", "10"), "10", "9")
    right = next(event for event in office.log[::-1] if isinstance(event, Order.Executed))

    office.reverse(right.execution_id)

    assert office.account.cash == D("1000.00")
    assert office.order_of(right.execution_id).busted == D(10)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "part", "deposit", "withdraw", "day", "reverse", "correct"]),
        st.integers(1, 3_000_000).map(lambda n: D(n) / 100_000),
        st.integers(50_000, 150_000).map(lambda n: D(n) / 10_000),
        st.integers(0, 50),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_the_books_hold_whatever_is_reversed(steps):
    office = _an_office("2000.00")

    for step in steps:
        _do(office, *step)

    _require_replay(office)
    office.next_day(5)
    office.settle()
    assert not office.account.unsettled
    _require_mirrored(office.log)


def _do(office: Office, what: str, quantity: Decimal, price: Decimal, index: int) -> None:
    shares, at = str(quantity), str(price)
    try:
        match what:
            case "buy" | "sell":
                office.trade(Side(what), shares, at)
            case "part":
                side = Side.BUY if index % 2 else Side.SELL
                office.fill(office.order(side, shares, at), str((quantity / 3).quantize(D("0.000001"))), at)
            case "deposit":
                office.deposit("123.45")
            case "withdraw":
                office.send(c.Withdraw(account_id=ACCOUNT, transfer_id=office.next_id(), amount=D("50.00")))
            case "day":
                office.next_day()
                office.settle()
            case "reverse":
                office.reverse(_chosen(office.log, index))
            case _:
                executed = [event for event in office.log if isinstance(event, Order.Executed)]
                if executed:
                    office.correct(executed[index % len(executed)].execution_id, shares, at)
    except (Refusal, AssertionError) as no:
        if isinstance(no, AssertionError) and "status='rejected'" not in str(no):
            raise


def _chosen(log: list[Event], index: int) -> Any:
    kinds = (Account.Deposited, Account.Withdrawn, Order.Executed)
    found = [event for event in log if isinstance(event, kinds)]
    event = found[-1 - index % len(found)]
    return event.execution_id if isinstance(event, Order.Executed) else event


def _require_replay(office: Office) -> None:
    for aggregate_id, again in office.replayed().items():
        live = office.live[aggregate_id]
        assert msgspec.json.encode(again, order="deterministic") == msgspec.json.encode(
            live, order="deterministic"
        )


def _require_mirrored(log: Iterable[Event]) -> None:
    """Every reversal books what its original did, with the opposite sign: together they are as if neither was."""
    by_place = {(event.originator_id, event.originator_version): event for event in log}
    for event in log:
        if isinstance(event, Account.Reversed | Position.Reversed | Order.Reversed):
            wrong = by_place[event.reverses.originator_id, event.reverses.originator_version]
            assert event.original == wrong
            balances: dict[str, Sum] = {}
            for line in (*postings(wrong), *postings(event)):
                moved(balances, line, str(ACCOUNT))
            assert not balances
