"""Dividends: who held shares as the ex-date began is paid on the pay date, once, however late the work is done."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from application import commands as c
from application import corporate as f
from domain.account import Account
from domain.errors import (
    AccountMustBeEmpty,
    CorporateActionMustBeDue,
    CorporateActionMustBeNew,
    CorporateActionMustBeWellFormed,
    CorporateActionMustNotHaveBegun,
)
from domain.terms import Side
from tests.bookkeeping.firm import Firm, Killed
from tests.executing.parts import SetClock
from tests.ledger.books import Books

D = Decimal
EX, PAY = date(2013, 11, 6), date(2013, 12, 10)
BEFORE = datetime(2013, 11, 5, 20, 0, tzinfo=UTC)
ON_EX_DATE = datetime(2013, 11, 6, 14, 30, tzinfo=UTC)
ON_PAY_DATE = datetime(2013, 12, 10, 14, 30, tzinfo=UTC)


def paid(firm: Firm) -> dict[UUID, Decimal]:
    """By account, what came in as dividends."""
    found: dict[UUID, Decimal] = {}
    for row in firm.log().rows:
        event = row.event()
        if isinstance(event, Account.DividendPaid):
            found[event.account_id] = found.get(event.account_id, D(0)) + event.amount
    return found


def test_a_dividend_is_paid_for_what_was_held_as_the_ex_date_began(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    holder, seller, buyer = (firm.account() for _ in range(3))
    firm.trade(holder, "10.5")
    firm.trade(seller, "4")
    firm.dividend("0.95", ex=EX, pay=PAY)
    assert firm.work(date(2013, 11, 5)) == 0
    clock.time = ON_EX_DATE
    firm.trade(seller, "4", side=Side.SELL)
    firm.trade(buyer, "100")
    cash = {a: firm.log().account(a).cash for a in (holder, seller, buyer)}

    firm.work(EX)
    assert paid(firm) == {}
    clock.time = ON_PAY_DATE
    firm.work(PAY)

    log = firm.log()
    assert paid(firm) == {holder: D("9.98"), seller: D("3.80")}  # 9.975 and 3.80, half to even
    assert log.account(holder).cash == cash[holder] + D("9.98")
    assert log.account(buyer).cash == cash[buyer]
    Books.of(row.event() for row in log.rows)  # every event balances


def test_done_late_it_comes_to_the_same(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    holder, seller = firm.account(), firm.account()
    firm.trade(holder, "10")
    firm.trade(seller, "4")
    clock.time = ON_EX_DATE
    firm.trade(seller, "4", side=Side.SELL)
    firm.trade(holder, "90")
    clock.time = datetime(2014, 3, 3, 15, 0, tzinfo=UTC)

    firm.dividend("0.95", ex=EX, pay=PAY)  # also announced late
    firm.work(date(2014, 3, 3))

    assert paid(firm) == {holder: D("9.50"), seller: D("3.80")}


def test_a_split_that_was_applied_late_counts_for_a_later_dividend(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    holder = firm.account()
    firm.trade(holder, "10")
    firm.split((2, 1), ex=date(2013, 11, 6), today=date(2013, 11, 5))
    firm.dividend("0.50", ex=date(2013, 11, 8), pay=date(2013, 11, 20))
    clock.time = datetime(2013, 11, 21, 15, 0, tzinfo=UTC)

    firm.work(date(2013, 11, 21))

    assert paid(firm) == {holder: D("10.00")}


def test_whatever_is_repeated_each_account_is_paid_once(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    holders = [firm.account() for _ in range(5)]
    for holder in holders:
        firm.trade(holder, "10")
    announced = firm.dividend("1", ex=EX, pay=PAY)
    assert firm.dividend("1", ex=EX, pay=PAY).log_position == announced.log_position
    clock.time = ON_PAY_DATE

    # Killed after every command in turn: each time it goes on where it was.
    for commands in range(30):
        try:
            firm.work(PAY, dying_after=commands % 3)
        except Killed:
            continue
    firm.work(PAY)
    before = len(firm.log().rows)
    firm.work(PAY)

    assert paid(firm) == dict.fromkeys(holders, D("10.00"))
    assert firm.topics().count("CorporateAction.Completed") == 1
    assert len(firm.log().rows) == before


def test_what_is_withheld_goes_to_the_tax_office(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    holder = firm.account()
    firm.trade(holder, "18")
    firm.dividend("0.50", ex=EX, pay=PAY)
    clock.time = ON_PAY_DATE

    firm.work(PAY, withholding="0.24")

    assert paid(firm) == {holder: D("6.84")}
    booked = Books.of(row.event() for row in firm.log().rows)
    assert booked.usd("Liabilities:Firm:Tax:Withheld") == D("-2.16")
    assert booked.usd(f"Income:Cust:C{holder}:Dividends") == D("-9.00")


def test_an_account_with_a_dividend_to_come_cannot_be_closed(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    holder = firm.account("100.00")
    firm.trade(holder, "1")
    firm.dividend("0.50", ex=EX, pay=PAY)
    clock.time = ON_EX_DATE
    firm.trade(holder, "1", side=Side.SELL)
    firm.work(EX)
    clock.time = ON_PAY_DATE
    firm.give(c.Settle(account_id=holder, through=PAY))
    firm.give(c.Withdraw(account_id=holder, transfer_id=UUID(int=1), amount=D("100.00")))

    with pytest.raises(AccountMustBeEmpty):
        firm.give(c.CloseAccount(account_id=holder))


def test_what_cannot_be_meant_and_what_comes_too_late_is_refused(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    announced = firm.dividend("0.50", ex=EX, pay=PAY)

    with pytest.raises(CorporateActionMustBeNew):
        firm.dividend("0.60", ex=EX, pay=PAY)
    with pytest.raises(CorporateActionMustBeWellFormed):
        firm.dividend("0.1234567", ex=EX, pay=PAY, symbol="AAPL")
    with pytest.raises(CorporateActionMustBeWellFormed):
        firm.dividend("1", ex=PAY, pay=EX, symbol="AAPL")
    with pytest.raises(CorporateActionMustBeDue):
        firm.give(f.BeginAction(action_id=announced.action_id, today=date(2013, 11, 5)))
    firm.work(EX)
    with pytest.raises(CorporateActionMustNotHaveBegun):
        firm.give(f.CancelAction(action_id=announced.action_id, reason="too late"))


def test_a_cancelled_dividend_is_not_paid_and_can_be_announced_again(firm: Firm, clock: SetClock) -> None:
    clock.time = BEFORE
    holder = firm.account()
    firm.trade(holder, "10")
    announced = firm.dividend("0.50", ex=EX, pay=PAY)
    firm.give(f.CancelAction(action_id=announced.action_id, reason="a mistake"))
    clock.time = ON_PAY_DATE
    assert firm.work(PAY) == 0

    firm.dividend("0.70", ex=EX, pay=PAY)
    firm.work(PAY)

    assert paid(firm) == {holder: D("7.00")}
