"""Interest on cash: each day's settled cash at the day's rate, paid once a month is over."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from application import commands as c
from domain.account import Account
from domain.interest import AnnualRate, accrued, months_between
from domain.terms import Side
from tests.bookkeeping.firm import Firm
from tests.executing.parts import SetClock
from tests.ledger.books import Books

D = Decimal
RATES = {date(2013, 1, 1): "0.0365"}
OCTOBER_1 = datetime(2013, 10, 1, 15, 0, tzinfo=UTC)
NOVEMBER_4 = datetime(2013, 11, 4, 15, 0, tzinfo=UTC)


def interest(firm: Firm) -> list[Account.InterestPaid]:
    events = (row.event() for row in firm.log().rows)
    return [event for event in events if isinstance(event, Account.InterestPaid)]


def test_a_month_pays_for_the_settled_cash_at_the_end_of_each_of_its_days(
    firm: Firm, clock: SetClock
) -> None:
    clock.time = OCTOBER_1
    account = firm.account("10000.00")
    clock.time = datetime(2013, 10, 11, 15, 0, tzinfo=UTC)
    firm.give(c.Deposit(account_id=account, transfer_id=UUID(int=1), amount=D("10000.00")))
    clock.time = NOVEMBER_4

    firm.pay_interest(date(2013, 11, 4), RATES)

    [paid] = interest(firm)
    assert paid.accrued == 10 * D("1.00") + 21 * D("2.00")  # 3.65 % of 10,000 is a dollar a day
    assert (paid.gross, paid.first_day, paid.last_day) == (
        D("52.00"),
        date(2013, 10, 1),
        date(2013, 10, 31),
    )
    assert firm.log().account(account).cash == D("20052.00")
    Books.of(row.event() for row in firm.log().rows)


def test_cash_counts_until_a_purchase_settles_and_not_before_a_sale_has(firm: Firm, clock: SetClock) -> None:
    clock.time = datetime(2013, 10, 30, 15, 0, tzinfo=UTC)
    buyer, seller = firm.account("36500.00"), firm.account("36500.00")
    firm.trade(seller, "365")
    firm.give(c.Settle(account_id=seller, through=date(2013, 10, 30)))
    clock.time = datetime(2013, 10, 31, 15, 0, tzinfo=UTC)
    firm.give(c.Settle(account_id=seller, through=date(2013, 10, 31)))
    firm.trade(buyer, "365")
    firm.trade(seller, "365", side=Side.SELL)
    clock.time = NOVEMBER_4

    firm.pay_interest(date(2013, 11, 4), RATES)

    # The buyer's two days, its purchase unsettled; the seller's first, before its purchase was paid.
    assert {paid.account_id: paid.gross for paid in interest(firm)} == {buyer: D("7.30"), seller: D("3.65")}


def test_paid_late_or_twice_it_comes_to_the_same(firm: Firm, clock: SetClock) -> None:
    clock.time = OCTOBER_1
    firm.account("10000.00")
    clock.time = datetime(2014, 1, 6, 15, 0, tzinfo=UTC)

    firm.pay_interest(date(2014, 1, 6), RATES)
    firm.pay_interest(date(2014, 1, 6), {date(2013, 1, 1): "0.99"})

    assert [paid.gross for paid in interest(firm)] == [D("31.00"), D("30.00"), D("31.00")]


def test_without_a_rate_nothing_is_recorded(firm: Firm, clock: SetClock) -> None:
    clock.time = OCTOBER_1
    firm.account("10000.00")
    clock.time = NOVEMBER_4
    before = len(firm.log().rows)

    assert firm.pay_interest(date(2013, 11, 4), {}) == 0
    assert firm.pay_interest(date(2013, 11, 4), {date(2013, 1, 1): "0"}) == 0

    assert len(firm.log().rows) == before


def test_a_part_of_it_is_withheld_and_a_closed_account_has_none(firm: Firm, clock: SetClock) -> None:
    clock.time = OCTOBER_1
    account, closed = firm.account("10000.00"), firm.account("10000.00")
    clock.time = datetime(2013, 10, 20, 15, 0, tzinfo=UTC)
    firm.give(c.Withdraw(account_id=closed, transfer_id=UUID(int=1), amount=D("10000.00")))
    firm.give(c.CloseAccount(account_id=closed))
    clock.time = NOVEMBER_4

    firm.pay_interest(date(2013, 11, 4), RATES, withholding="0.24")

    [paid] = interest(firm)
    assert (paid.account_id, paid.gross, paid.withheld, paid.amount) == (
        account,
        D("31.00"),
        D("7.44"),
        D("23.56"),
    )


def test_rates_begin_on_their_day_and_debts_earn_nothing() -> None:
    rates = [AnnualRate(date(2013, 10, 2), D("0.0365")), AnnualRate(date(2013, 10, 3), D("0.073"))]
    days = [(date(2013, 10, n), D("10000.00")) for n in (1, 2, 3)]

    assert accrued(days, rates) == D(3)
    assert accrued([(date(2013, 10, 3), D("-10000.00"))], rates) == 0


def test_a_month_counts_once_it_is_over() -> None:
    assert months_between(date(2013, 11, 15), date(2014, 2, 1)) == [
        date(2013, 11, 1),
        date(2013, 12, 1),
        date(2014, 1, 1),
    ]
    assert months_between(date(2014, 1, 1), date(2014, 1, 31)) == []
