"""An account over four days, one of them quiet: what its history and statements say, in tables to check by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application import commands as c
from projections.history import EQUITY_OF_ACCOUNT
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
