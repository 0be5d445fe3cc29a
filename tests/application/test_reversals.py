"""What was recorded wrongly is taken back: by mirrored entries, once, and with the right fact in its place."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application import commands as c
from application import corporate as f
from application import correcting as r
from application.brokerage import fold
from domain.account import Account, Unsettled, entitlement_of
from domain.aggregate import Event, EventRef
from domain.books import Sum, moved
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
from domain.journal import postings
from domain.order import Order
from domain.position import Position
from domain.terms import Side
from domain.transfer import Direction
from tests.application.office import WHY, Office, an_office
from tests.domain.examples import ACCOUNT, NOW

D = Decimal


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
    office = an_office()
    before, cash = dict(office.balances), office.account.cash

    wrong = office.deposit("250.00")
    office.reverse(wrong)

    assert office.account.cash == cash
    assert office.balances == before
    assert office.said(-2) == ["Account.Reversed", "Transfer.Returned"]


def test_the_reversal_names_what_it_reverses_and_counts_to_its_day():
    office = an_office()
    wrong = office.deposit("250.00")
    office.next_day(3)

    office.reverse(wrong)

    reversed_ = office.log[-2]
    assert reversed_.reverses == EventRef(wrong.originator_id, wrong.originator_version)
    assert reversed_.effective_on == NOW.date()
    assert reversed_.original == wrong
    assert reversed_.reason == WHY


def test_an_event_is_reversed_once():
    office = an_office()
    wrong = office.deposit("250.00")
    office.reverse(wrong)

    office.refuses(EventMustNotBeReversed, lambda: office.reverse(wrong))


def test_what_is_not_there_any_more_cannot_be_taken_back():
    office = an_office("100.00")
    wrong = office.log[-1]
    office.trade(Side.BUY, "5", "10")

    office.refuses(AvailableCashMustCoverReversal, lambda: office.reverse(wrong))


def test_what_nothing_takes_back_is_refused():
    office = an_office()

    office.refuses(EventMustBeReversible, lambda: office.reverse(office.log[0]))


def test_the_money_of_an_execution_is_not_taken_back_alone():
    office = an_office()
    wrong = office.execution(office.trade(Side.BUY, "5"))

    office.refuses(EventMustBeReversible, lambda: office.reverse(wrong.cash))


def test_a_deposit_is_corrected_by_the_right_one_on_its_day():
    office = an_office()
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
    office = an_office()
    same = r.CorrectCash(account_id=ACCOUNT, event=office.log[-1], amount=D("1000.00"), reason=WHY)

    office.refuses(CorrectionMustChangeSomething, lambda: office.send(same))


def test_a_bank_returns_no_deposit_that_was_taken_back():
    office = an_office()
    wrong = office.deposit("250.00")
    office.reverse(wrong)
    stored = len(office.log)
    told = c.ReturnTransfer(
        account_id=ACCOUNT,
        transfer_id=wrong.transfer_id,
        reason="not_authorized",
        direction=Direction.DEPOSIT,
        amount=D("250.00"),
    )

    office.send(told)

    assert len(office.log) == stored


def test_what_a_bank_has_returned_is_not_taken_back():
    office = an_office()
    wrong = office.deposit("250.00")
    told = c.ReturnTransfer(
        account_id=ACCOUNT,
        transfer_id=wrong.transfer_id,
        reason="not_authorized",
        direction=Direction.DEPOSIT,
        amount=D("250.00"),
    )
    office.send(told)

    office.refuses(EventMustBeReversible, lambda: office.reverse(wrong))


def test_a_withdrawal_is_taken_back():
    office = an_office()
    before = _what_counts(office)
    office.send(c.Withdraw(account_id=ACCOUNT, transfer_id=office.next_id(), amount=D("300.00")))

    office.reverse(office.log[-1])

    assert _what_counts(office) == before


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("part", ["10", "4"])
def test_a_purchase_is_taken_back_whole(is_settled, part):
    office = an_office()
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
    assert any(due != Unsettled() for due in office.account.unsettled.values()) is is_settled


def test_what_had_settled_goes_back_with_the_next_settlement():
    office = an_office()
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
    office = an_office()
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
    office = an_office("105.00")
    office.trade(Side.BUY, "10", "10")
    execution_id = office.trade(Side.SELL, "10", "20")
    office.trade(Side.BUY, "19", "10")

    office.refuses(AvailableCashMustCoverReversal, lambda: office.reverse(execution_id))


def test_a_purchase_whose_shares_were_sold_stays():
    office = an_office()
    execution_id = office.trade(Side.BUY, "10")
    office.trade(Side.SELL, "1")

    office.refuses(LotMustBeWhole, lambda: office.reverse(execution_id))


def test_a_purchase_whose_shares_are_promised_stays():
    office = an_office()
    execution_id = office.trade(Side.BUY, "10")
    office.order(Side.SELL, "1")

    office.refuses(LotMustBeWhole, lambda: office.reverse(execution_id))


def test_a_sale_whose_loss_was_disallowed_stays():
    office = an_office()
    office.trade(Side.BUY, "10", "20")
    execution_id = office.trade(Side.SELL, "10", "10")
    office.trade(Side.BUY, "10", "10")
    assert office.said(-1) == ["Position.WashSaleDisallowed"]

    office.refuses(EventMustBeReversible, lambda: office.reverse(execution_id))


def test_busted_shares_are_not_traded_again():
    office = an_office()
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
    office = an_office()
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
    office = an_office()
    execution_id = office.trade(Side.BUY, "10", "10")

    office.refuses(ExecutionMustRespectItsLimit, lambda: office.correct(execution_id, "10", "10.01"))
    office.refuses(ExecutionMustNotExceedLeaves, lambda: office.correct(execution_id, "11", "9"))
    office.refuses(CorrectionMustChangeSomething, lambda: office.correct(execution_id, "10", "10"))


def test_a_corrected_purchase_keeps_its_day_and_place():
    office = an_office()
    wrong = office.trade(Side.BUY, "10", "10")
    office.next_day(10)
    office.trade(Side.BUY, "5", "10")

    office.correct(wrong, "10", "9")

    first, second = office.position(ACCOUNT).lots
    assert (first.quantity, first.acquired_at, first.cost) == (D(10), NOW, D("90.35"))
    assert second.quantity == D(5)


def test_a_correction_is_reversed_in_its_turn():
    office = an_office()
    office.correct(office.trade(Side.BUY, "10", "10"), "10", "9")
    right = next(event for event in office.log[::-1] if isinstance(event, Order.Executed))

    office.reverse(right.execution_id)

    assert office.account.cash == D("1000.00")
    assert office.order_of(right.execution_id).busted == D(10)


def _with_a_dividend(office: Office) -> Any:
    action_id = office.next_id()
    entitlement = entitlement_of(
        action_id=action_id,
        symbol="AAPL",
        quantity=D(10),
        rate=D("0.5"),
        ex_date=NOW.date(),
        pay_date=NOW.date(),
    )
    office.send(f.EntitleDividend(account_id=ACCOUNT, entitlement=entitlement))
    office.send(f.PayDividend(account_id=ACCOUNT, action_id=action_id, withholding=D("0.24")))
    return office.log[-1]


def _with_interest(office: Office) -> Any:
    days = {"first_day": date(2025, 12, 1), "last_day": date(2025, 12, 31)}
    office.send(f.PayInterest(account_id=ACCOUNT, accrued=D("5.001"), withholding=D("0.24"), **days))
    return office.log[-1]


@pytest.mark.parametrize("paid", [_with_a_dividend, _with_interest])
def test_income_is_taken_back_with_what_was_withheld(paid):
    office = an_office()
    before = dict(office.balances)

    office.reverse(paid(office))

    assert office.account.cash == D("1000.00")
    assert office.balances == before
    assert not office.account.entitlements


@pytest.mark.parametrize("paid", [_with_a_dividend, _with_interest])
def test_income_is_corrected_before_taxes(paid):
    office = an_office()

    office.send(r.CorrectCash(account_id=ACCOUNT, event=paid(office), amount=D("10.00"), reason=WHY))

    right = office.log[-1]
    assert (right.gross, right.withheld, right.amount) == (D("10.00"), D("2.40"), D("7.60"))
    assert office.account.cash == D("1007.60")


def test_what_happens_to_an_ended_order_tells_the_executor_nothing():
    office = an_office()
    wrong = office.trade(Side.BUY, "10", "10")
    since = len(office.log)
    office.correct(wrong, "9", "9")

    forgotten = fold(None, [event for event in office.log[since:] if isinstance(event, Order.FACTS)])

    assert not forgotten.is_open


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "buy", "deposit", "withdraw", "day", "reverse", "correct"]),
        st.integers(1, 3_000_000).map(lambda n: D(n) / 100_000),
        st.integers(50_000, 150_000).map(lambda n: D(n) / 10_000),
        st.integers(0, 50),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_the_books_hold_whatever_is_reversed(steps):
    office = an_office("2000.00")

    for step in steps:
        do(office, *step)

    _require_replay(office)
    office.next_day(5)
    office.settle()
    assert not office.account.unsettled
    _require_mirrored(office.log)


def do(office: Office, what: str, quantity: Decimal, price: Decimal, index: int) -> None:
    shares, at = str(quantity), str(price)
    try:
        match what:
            case "buy" | "sell":
                order_id = office.order(Side(what), shares, at)
                part = quantity if index % 2 else (quantity / 3).quantize(D("0.000001"))
                office.fill(order_id, str(part), at)
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
    except Refusal:
        return


def _chosen(log: list[Event], index: int) -> Any:
    kinds = (Account.Deposited, Account.Withdrawn, Order.Executed)
    found = [event for event in log if isinstance(event, kinds)]
    event = found[-1 - index % len(found)]
    return event.execution_id if isinstance(event, Order.Executed) else event


def _require_replay(office: Office) -> None:
    for aggregate_id, again in office.replayed().items():
        assert again == office.live[aggregate_id]


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
