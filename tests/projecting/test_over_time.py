"""An account over four days, one of them quiet: what its history and statements say, in tables to check by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from application import commands as c
from projections.history import EQUITY_OF_ACCOUNT
from projections.holders import HOLDERS_OF_SYMBOL
from projections.questions import Question
from projections.shares import LATEST
from projections.statements import STATEMENT_AT, STATEMENTS_OF_ACCOUNT
from tests.projecting.asking import ask
from tests.projecting.worked import (
    ANN,
    E1,
    E2,
    E3,
    FIRST,
    OWNER,
    SALE,
    STOP,
    TRANSFER,
    D,
    Desk,
    deposit,
    fill,
    place,
    project,
)

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)  # the day of START, 15:00

HISTORY_BY_DAY = """
at         | cash    | cost    | invested | equity  | deposited | withdrawn | realised
2026-03-05 | 1190.00 | 300.00  | 630.00   | 1820.00 | 0.00      | 10.00     | 0.00
2026-03-03 | 1200.00 | 300.00  | 630.00   | 1830.00 | 0.00      | 0.00      | 500.00
2026-03-02 | 0.00    | 1000.00 | 1000.00  | 1000.00 | 1000.00   | 0.00      | 0.00
"""

HISTORY_OF_TUESDAY_BY_HOUR = """
at            | cash    | cost   | invested | equity  | deposited | withdrawn | realised
2026-03-03 15 | 1200.00 | 300.00 | 630.00   | 1830.00 | 0.00      | 0.00      | 440.00
2026-03-03 14 | 360.00  | 700.00 | 840.00   | 1200.00 | 0.00      | 0.00      | 60.00
"""

HISTORY_BY_MONTH = """
at         | cash    | cost   | invested | equity  | deposited | withdrawn | realised
2026-03-01 | 1190.00 | 300.00 | 630.00   | 1820.00 | 1000.00   | 10.00     | 500.00
"""

STATEMENTS = """
day        | opening_cash | deposited | withdrawn | bought  | sold    | fees | closing_cash | trades | realised | cost    | invested
2026-03-05 | 1200.00      | 0.00      | 10.00     | 0.00    | 0.00    | 0.00 | 1190.00      | 0      | 0.00     | 300.00  | 630.00
2026-03-03 | 0.00         | 0.00      | 0.00      | 0.00    | 1200.00 | 0.00 | 1200.00      | 2      | 500.00   | 300.00  | 630.00
2026-03-02 | 0.00         | 1000.00   | 0.00      | 1000.00 | 0.00    | 0.00 | 0.00         | 1      | 0.00     | 1000.00 | 1000.00
"""


@pytest.fixture
def four_days(desk: Desk) -> Desk:
    """Monday: 10 shares at 100. Tuesday: 3 of them sold at 120, 4 at 210. Wednesday: nothing. Thursday: 10 paid out."""
    desk.do(c.OpenAccount(account_id=ANN, owner_id=OWNER))
    desk.do(deposit(ANN, "1000.00"))
    desk.do(place(FIRST, "buy 10 AAPL limit", limit_price=D(100)))
    desk.do(fill(FIRST, E1, "10", "100", quote=1))
    desk.time = MONDAY + timedelta(days=1, hours=14)
    desk.do(place(SALE, "sell 3 AAPL market"))
    desk.do(fill(SALE, E2, "3", "120", quote=2))
    desk.time = MONDAY + timedelta(days=1, hours=15)
    desk.do(place(STOP, "sell 4 AAPL market"))
    desk.do(fill(STOP, E3, "4", "210", quote=3))
    desk.time = MONDAY + timedelta(days=3, hours=15)
    desk.do(c.Settle(account_id=ANN, through=desk.time.date()))
    desk.do(c.Withdraw(account_id=ANN, transfer_id=TRANSFER, amount=D("10.00")))
    project(desk.url, batch=3)
    return desk


def told(expected: str, rows: list[Any]) -> list[list[str]]:
    """The rows in the columns of a table of this file, moments as short as there."""
    columns, first, *_ = cells(expected)
    lines = [[str(getattr(row, column)) for column in columns] for row in rows]
    return [[line[0][: len(first[0])], *line[1:]] for line in lines]


def cells(expected: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in expected.strip().splitlines()]


@pytest.mark.parametrize(
    ("interval", "since", "before", "expected"),
    [
        ("day", datetime(1, 1, 1, tzinfo=UTC), LATEST, HISTORY_BY_DAY),
        ("hour", MONDAY + timedelta(days=1), MONDAY + timedelta(days=2), HISTORY_OF_TUESDAY_BY_HOUR),
        ("month", datetime(2026, 3, 1, tzinfo=UTC), LATEST, HISTORY_BY_MONTH),
    ],
)
def test_the_history_is_the_account_at_the_end_of_each_interval(
    four_days: Desk, interval: str, since: datetime, before: datetime, expected: str
) -> None:
    asked = {"account_id": ANN, "interval": interval, "since": since, "before": before, "limit": 10}

    rows = ask(four_days, EQUITY_OF_ACCOUNT, **asked)

    assert told(expected, rows) == cells(expected)[1:]


def test_there_is_a_statement_for_each_day_on_which_something_moved(four_days: Desk) -> None:
    asked = {"account_id": ANN, "since": MONDAY, "before": LATEST, "limit": 10}

    rows = ask(four_days, STATEMENTS_OF_ACCOUNT, **asked)

    assert told(STATEMENTS, rows) == cells(STATEMENTS)[1:]
    assert [[str(one.quantity) for one in row.positions] for row in rows] == [["3.000000"]] * 2 + [
        ["10.000000"]
    ]


def test_a_quiet_day_has_the_statement_of_the_day_before_it(four_days: Desk) -> None:
    (row,) = ask(four_days, STATEMENT_AT, account_id=ANN, day=MONDAY + timedelta(days=2))

    assert row.day == MONDAY + timedelta(days=1)
    assert ask(four_days, STATEMENT_AT, account_id=ANN, day=MONDAY - timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("question", "moment", "more"),
    [(EQUITY_OF_ACCOUNT, "at", {"interval": "day"}), (STATEMENTS_OF_ACCOUNT, "day", {})],
    ids=["history", "statements"],
)
def test_what_is_written_between_two_pages_repeats_and_hides_no_day(
    four_days: Desk, question: Question[Any], moment: str, more: dict[str, Any]
) -> None:
    asked = {"account_id": ANN, "since": MONDAY, "limit": 1, **more}
    days = [getattr(ask(four_days, question, before=LATEST, **asked)[0], moment)]
    for later in (4, 5):
        four_days.time = MONDAY + timedelta(days=later)
        four_days.do(deposit(ANN))
        project(four_days.url)
        days += [getattr(row, moment) for row in ask(four_days, question, before=days[-1], **asked)]

    assert days == [MONDAY + timedelta(days=number) for number in (3, 1, 0)]


def test_who_does_not_trade_between_two_pages_of_holders_is_met_once(desk: Desk) -> None:
    still = [buys(desk, quantity) for quantity in ("5", "3", "3", "1")]
    project(desk.url)
    asked: dict[str, Any] = {"symbol": "AAPL", "limit": 2}
    first = ask(desk, HOLDERS_OF_SYMBOL, quantity=D(10) ** 18, account_id=UUID(int=0), **asked)

    buys(desk, "4")
    buys(desk, "2")
    project(desk.url)
    last = {"quantity": first[-1].quantity, "account_id": first[-1].account_id}
    second = ask(desk, HOLDERS_OF_SYMBOL, **last, **{**asked, "limit": 9})

    met = [row.account_id for row in (*first, *second)]
    assert [str(row.quantity) for row in (*first, *second)] == [f"{n}.000000" for n in (5, 3, 3, 2, 1)]
    assert all(met.count(account_id) == 1 for account_id in still)
    assert {str(row.firm_quantity) for row in second} == {"18.000000"}


def test_who_sold_everything_is_no_holder_and_may_become_one_again(desk: Desk) -> None:
    account_id = buys(desk, "2")
    sale, again = uuid4(), uuid4()
    desk.do(place(sale, "sell 2 AAPL market", account_id=account_id))
    fills(desk, account_id, sale, "2")
    project(desk.url)
    sold_out = ask(desk, HOLDERS_OF_SYMBOL, symbol="AAPL", quantity=D(9), account_id=UUID(int=0), limit=9)
    desk.do(place(again, "buy 3 AAPL limit", account_id=account_id, limit_price=D(10)))
    fills(desk, account_id, again, "3")
    project(desk.url)

    (row,) = ask(desk, HOLDERS_OF_SYMBOL, symbol="AAPL", quantity=D(9), account_id=UUID(int=0), limit=9)

    assert sold_out == []
    assert (row.account_id, str(row.quantity), str(row.cost)) == (account_id, "3.000000", "30.00")


def buys(desk: Desk, quantity: str) -> UUID:
    """A new account that buys so many AAPL at 10."""
    account_id, order_id = desk.opened(), uuid4()
    desk.do(place(order_id, f"buy {quantity} AAPL limit", account_id=account_id, limit_price=D(10)))
    fills(desk, account_id, order_id, quantity)
    return account_id


def fills(desk: Desk, account_id: UUID, order_id: UUID, quantity: str) -> None:
    filled = replace(fill(order_id, uuid4(), quantity, "10", quote=1), account_id=account_id)
    desk.do(filled)
