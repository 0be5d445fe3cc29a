"""What stands in the read tables after the worked history, row by row."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from domain.account import Account
from domain.facts import TOPICS
from infrastructure.postgres.connections import connect
from infrastructure.projecting.tables import row_from
from projections.activity import Activity
from projections.actors import Actors
from projections.audit import Audit
from projections.balances import Balances
from projections.catalogue import PROJECTIONS
from projections.executions import Executions
from projections.history import History
from projections.holders import Holders
from projections.open_orders import OpenOrders
from projections.orders import Orders
from projections.positions import LotRow, Positions
from projections.projection import Projection, on
from projections.shares import LATEST, Shares
from projections.statements import Statements
from projections.words import describe
from tests.conftest import new_database
from tests.projecting.further import live_on
from tests.projecting.worked import WORKED, Desk, project, tables, work

BALANCES = """
account_id | owner_id | status | opened_at | cash    | held | updated_at | log_position
01         | 03       | open   | :01       | 9460.53 | 0.00 | :22        | 39
02         | 03       | closed | :23       | 0.00    | 0.00 | :24        | 41
"""

POSITIONS = """
account_id | symbol | quantity | reserved | cost   | realised | lots                   | updated_at | log_position
01         | AAPL   | 3.000000 | 3.000000 | 300.00 | 72.87    | 16: 3.000000 at 300.00 | :18        | 35
01         | MSFT   | 1.000000 | 0.000000 | 212.34 | 0.00     | 18: 1.000000 at 212.34 | :14        | 28
"""

ORDERS_AS_GIVEN = """
order_id | client_order_id | symbol | side | type   | time_in_force | quantity   | limit_price | stop_price
0b       | first           | AAPL   | buy  | limit  | gtc           | 10.000000  | 100.0000    | -
0c       | -               | AAPL   | sell | market | day           | 7.000000   | -           | -
0d       | -               | MSFT   | buy  | limit  | ioc           | 5.500000   | 200.0001    | -
0e       | -               | MSFT   | buy  | stop   | day           | 3.000000   | -           | 210.0000
0f       | -               | AAPL   | sell | market | day           | 100.000000 | -           | -
10       | -               | AAPL   | sell | limit  | gtc           | 3.000000   | 121.0000    | -
11       | -               | AAPL   | buy  | market | day           | 1.000000   | -           | -
"""

ORDERS_AS_FILLED = """
order_id | status    | venue | revision | filled_quantity | leaves_quantity | notional       | amount | average_price
0b       | filled    | SIM   | 0        | 10.000000       | 0.000000        | 998.0000000000 | 998.00 | 99.8000
0c       | filled    | SIM   | 0        | 7.000000        | 0.000000        | 770.8750000000 | 770.87 | 110.1250
0d       | cancelled | -     | 0        | 0.000000        | 0.000000        | 0.00           | 0.00   | -
0e       | expired   | SIM   | 1        | 1.000000        | 0.000000        | 212.3400000000 | 212.34 | 212.3400
0f       | rejected  | -     | 0        | 0.000000        | 0.000000        | 0.00           | 0.00   | -
10       | accepted  | -     | 1        | 0.000000        | 3.000000        | 0.00           | 0.00   | -
11       | rejected  | -     | 0        | 0.000000        | 0.000000        | 0.00           | 0.00   | -
"""

ORDERS_IN_TIME = """
order_id | account_id | placed_at | accepted_at | triggered_at | ended_at | updated_at | placed_position | log_position
0b       | 01         | :03       | :04         | -            | :06      | :06        | 4               | 9
0c       | 01         | :07       | -           | -            | :08      | :08        | 12              | 14
0d       | 01         | :09       | -           | -            | :10      | :10        | 18              | 19
0e       | 01         | :11       | -           | :13          | :15      | :15        | 22              | 29
0f       | 01         | :16       | -           | -            | :16      | :16        | 31              | 31
10       | 01         | :17       | -           | -            | -        | :18        | 32              | 34
11       | 01         | :21       | -           | -            | :21      | :21        | 38              | 38
"""

ORDERS_EXPLAINED = """
order_id | reason                          | detail
0b       | -                               | -
0c       | -                               | -
0d       | requested                       | -
0e       | session_closed                  | -
0f       | free_shares_must_cover_order    | 3.000000 AAPL are free, 100.000000 would be sold
10       | -                               | -
11       | account_must_be_open_for_trading | the account is suspended
"""

EXECUTIONS = """
execution_id | order_id | account_id | symbol | side | quantity | price    | amount | profit | leaves_quantity
15           | 0b       | 01         | AAPL   | buy  | 4.000000 | 99.5000  | 398.00 | -      | 6.000000
16           | 0b       | 01         | AAPL   | buy  | 6.000000 | 100.0000 | 600.00 | -      | 0.000000
17           | 0c       | 01         | AAPL   | sell | 7.000000 | 110.1250 | 770.87 | 72.87  | 0.000000
18           | 0e       | 01         | MSFT   | buy  | 1.000000 | 212.3400 | 212.34 | -      | 2.000000
"""

EXECUTIONS_IN_TIME = """
execution_id | venue | quote | executed_at | log_position
15           | SIM   | 1     | :05         | 6
16           | SIM   | 2     | :06         | 9
17           | SIM   | 3     | :08         | 14
18           | SIM   | 5     | :14         | 26
"""

ACTIVITY = """
account_id | log_position | type               | at  | symbol | quantity   | price    | amount   | order_id | execution_id | transfer_id
01         | 1            | account_opened     | :01 | -      | -          | -        | -        | -        | -            | -
01         | 2            | deposit            | :02 | -      | -          | -        | 10000.00 | -        | -            | 04
01         | 4            | order_placed       | :03 | AAPL   | 10.000000  | -        | -        | 0b       | -            | -
01         | 7            | purchase           | :05 | AAPL   | 4.000000   | 99.5000  | -398.00  | 0b       | 15           | -
01         | 10           | purchase           | :06 | AAPL   | 6.000000   | 100.0000 | -600.00  | 0b       | 16           | -
01         | 12           | order_placed       | :07 | AAPL   | 7.000000   | -        | -        | 0c       | -            | -
01         | 15           | sale               | :08 | AAPL   | 7.000000   | 110.1250 | 770.87   | 0c       | 17           | -
01         | 18           | order_placed       | :09 | MSFT   | 5.500000   | -        | -        | 0d       | -            | -
01         | 19           | order_cancelled    | :10 | -      | -          | -        | -        | 0d       | -            | -
01         | 22           | order_placed       | :11 | MSFT   | 2.000000   | -        | -        | 0e       | -            | -
01         | 24           | order_replaced     | :12 | MSFT   | 3.000000   | -        | -        | 0e       | -            | -
01         | 25           | order_triggered    | :13 | -      | -          | -        | -        | 0e       | -            | -
01         | 27           | purchase           | :14 | MSFT   | 1.000000   | 212.3400 | -212.34  | 0e       | 18           | -
01         | 29           | order_expired      | :15 | -      | -          | -        | -        | 0e       | -            | -
01         | 31           | order_rejected     | :16 | AAPL   | 100.000000 | -        | -        | 0f       | -            | -
01         | 32           | order_placed       | :17 | AAPL   | 2.000000   | -        | -        | 10       | -            | -
01         | 34           | order_replaced     | :18 | AAPL   | 3.000000   | -        | -        | 10       | -            | -
01         | 36           | withdrawal         | :19 | -      | -          | -        | -100.00  | -        | -            | 04
01         | 37           | account_suspended  | :20 | -      | -          | -        | -        | -        | -            | -
01         | 38           | order_rejected     | :21 | AAPL   | 1.000000   | -        | -        | 11       | -            | -
01         | 39           | account_reinstated | :22 | -      | -          | -        | -        | -        | -            | -
02         | 40           | account_opened     | :23 | -      | -          | -        | -        | -        | -            | -
02         | 41           | account_closed     | :24 | -      | -          | -        | -        | -        | -            | -
"""

AUDIT = """
log_position | account_id | topic                    | at  | text
1            | 01         | Account.Opened           | :01 | Opened the account in USD
2            | 01         | Account.Deposited        | :02 | Deposited 10000.00
4            | 01         | Order.Placed             | :03 | Placed an order to buy 10 AAPL limit 100.0000, gtc
5            | 01         | Order.Accepted           | :04 | Order accepted by SIM
6            | 01         | Order.Executed           | :05 | Executed 4 at 99.5000 on SIM, 6 left (quote 1)
7            | 01         | Account.PurchaseDebited:2 | :05 | Paid 398.00 for 4 AAPL at 99.5000; 400.00 of the hold ended
15           | 01         | Account.SaleCredited:2   | :08 | Received 770.87 for 7 AAPL at 110.1250
16           | 01         | Position.LotsRelieved    | :08 | Gave out 7 AAPL from 2 lot(s), profit 72.87
17           | 01         | Account.FundsHeld        | :09 | Held 1100.01 for order 00000000-0000-0000-0000-00000000000d
19           | 01         | Order.Cancelled          | :10 | Cancelled the remaining 5.5 shares: requested
20           | 01         | Account.FundsReleased    | :10 | Released 1100.01 held for order 00000000-0000-0000-0000-00000000000d
24           | 01         | Order.Replaced           | :12 | Replaced the order's terms by buy 3 MSFT stop 210.0000, day
25           | 01         | Order.Triggered          | :13 | Stop elected by the last at 211.0000 (quote 4)
28           | 01         | Position.LotOpened       | :14 | Took in 1 MSFT at a cost of 212.34
29           | 01         | Order.Expired            | :15 | Expired with 2 shares left: session_closed
36           | 01         | Account.Withdrawn        | :19 | Withdrew 100.00
37           | 01         | Account.Suspended        | :20 | Suspended the account: a question
39           | 01         | Account.Reinstated       | :22 | Reinstated the account: answered
41           | 02         | Account.Closed           | :24 | Closed the account
"""


HISTORY = """
account_id | at     | cash    | cost   | invested | deposited | withdrawn | realised | positions | updated_at | log_position
01         | :00    | 9460.53 | 512.34 | 542.72   | 10000.00  | 100.00    | 72.87    |           | :19        | 36
01         | latest | 9460.53 | 512.34 | 542.72   | 10000.00  | 100.00    | 72.87    | 3.000000 AAPL for 300.00 at 110.1250, 1.000000 MSFT for 212.34 at 212.3400 | :19 | 36
02         | :00    | 0.00    | 0.00   | 0.00     | 0.00      | 0.00      | 0.00     |           | :23        | 40
02         | latest | 0.00    | 0.00   | 0.00     | 0.00      | 0.00      | 0.00     |           | :23        | 40
"""

STATEMENTS = """
account_id | day    | opening_cash | closing_cash | deposited | withdrawn | bought  | sold   | fees | realised | trades | cost   | invested | first_position | log_position
01         | :00    | 0.00         | 9460.53      | 10000.00  | 100.00    | 1210.34 | 770.87 | 0.00 | 72.87    | 4      | 512.34 | 542.72   | 1              | 36
01         | latest | 0.00         | 9460.53      | 10000.00  | 100.00    | 1210.34 | 770.87 | 0.00 | 72.87    | 4      | 512.34 | 542.72   | 1              | 36
02         | :00    | 0.00         | 0.00         | 0.00      | 0.00      | 0.00    | 0.00   | 0.00 | 0.00     | 0      | 0.00   | 0.00     | 40             | 40
02         | latest | 0.00         | 0.00         | 0.00      | 0.00      | 0.00    | 0.00   | 0.00 | 0.00     | 0      | 0.00   | 0.00     | 40             | 40
"""

HOLDERS = """
symbol | account_id | quantity | cost   | updated_at | log_position
AAPL   | 01         | 3.000000 | 300.00 | :08        | 16
MSFT   | 01         | 1.000000 | 212.34 | :14        | 28
"""

OPEN_ORDERS = """
order_id | account_id | symbol | side | type  | time_in_force | quantity | limit_price | stop_price | client_order_id | price_cap | status
10       | 01         | AAPL   | sell | limit | gtc           | 3.000000 | 121.0000    | -          | -               | -         | accepted
"""

OPEN_ORDERS_AS_FILLED = """
order_id | venue | revision | filled_quantity | notional | amount | placed_at | accepted_at | triggered_at | placed_position | log_position
10       | -     | 1        | 0.000000        | 0.00     | 0.00   | :17       | -           | -            | 32              | 34
"""

ACTORS = """
actor                                | role     | account_id | topic                   | count | first_at | last_at | first_position | log_position
00000000-0000-0000-0000-000000000001 | customer | 01         | Account.Deposited       | 1     | :02      | :02     | 2              | 2
00000000-0000-0000-0000-000000000001 | customer | 01         | Account.PurchaseDebited | 3     | :05      | :14     | 7              | 27
00000000-0000-0000-0000-000000000001 | customer | 01         | Order.Placed            | 5     | :03      | :17     | 4              | 32
00000000-0000-0000-0000-000000000001 | customer | 01         | Order.Rejected          | 2     | :16      | :21     | 31             | 38
00000000-0000-0000-0000-000000000001 | customer | 02         | Account.Closed          | 1     | :24      | :24     | 41             | 41
"""


def written(value: Any) -> str:
    """A value as these tables write it: ids by their last digits, moments by their second."""
    match value:
        case None:
            return "-"
        case UUID():
            return f"{value.int:02x}"
        case datetime() if value == LATEST:
            return "latest"
        case datetime():
            return f":{value.second:02}"
        case list():
            return ", ".join(map(written, value))
        case LotRow():
            return f"{value.lot_id.int:x}: {value.quantity} at {value.cost}"
        case Shares():
            return f"{value.quantity} {value.symbol} for {value.cost} at {value.price}"
        case _:
            return str(value)


def cells(expected: str) -> list[list[str]]:
    """The cells of a table of this file; the first line has the columns."""
    return [[cell.strip() for cell in line.split("|")] for line in expected.strip().splitlines()]


def rows_of(url: str, projection: Projection) -> list[Any]:
    """The rows of a read table in the order of their keys."""
    names, key = ", ".join(c.name for c in projection.table.columns), ", ".join(projection.key_columns)
    with connect(url, application="test") as connection:
        found = connection.execute(f"SELECT {names} FROM read.{projection.name} ORDER BY {key}".encode())
        return [row_from(projection, values) for values in found.fetchall()]


@pytest.fixture(scope="module")
def worked_url(servers: Any, database_template: str) -> Iterator[str]:
    """A database with the worked history and its read tables, for tests that only look at it."""
    with new_database(servers, database_template) as found:
        desk = Desk(found.app_url)
        work(desk)
        project(desk.url)
        yield desk.url
        desk.close()


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        (Balances(), BALANCES),
        (Positions(), POSITIONS),
        (Orders(), ORDERS_AS_GIVEN),
        (Orders(), ORDERS_AS_FILLED),
        (Orders(), ORDERS_IN_TIME),
        (Orders(), ORDERS_EXPLAINED),
        (Executions(), EXECUTIONS),
        (Executions(), EXECUTIONS_IN_TIME),
        (Activity(), ACTIVITY),
        (History(), HISTORY),
        (Statements(), STATEMENTS),
        (Holders(), HOLDERS),
        (OpenOrders(), OPEN_ORDERS),
        (OpenOrders(), OPEN_ORDERS_AS_FILLED),
    ],
)
def test_the_worked_history_leaves_these_rows(worked_url: str, projection: Projection, expected: str) -> None:
    columns, *wanted = cells(expected)
    rows = rows_of(worked_url, projection)
    assert [[written(getattr(row, column)) for column in columns] for row in rows] == wanted


def test_the_index_of_actors_counts_what_each_did_to_each_account(worked_url: str) -> None:
    columns, *wanted = cells(ACTORS)
    rows = rows_of(worked_url, Actors())
    found = [[written(getattr(row, column)) for column in columns] for row in rows]
    assert [line for line in wanted if line not in found] == []
    assert sum(row.count for row in rows) == 41


def test_the_audit_table_has_every_event_in_words_with_who_and_why(worked_url: str) -> None:
    columns, *wanted = cells(AUDIT)
    rows = {row.log_position: row for row in rows_of(worked_url, Audit())}
    chosen = [rows[int(line[0])] for line in wanted]
    assert [[written(getattr(row, column)) for column in columns] for row in chosen] == wanted
    assert list(rows) == list(range(1, 42))
    assert {(row.actor, row.role, row.request_id.int) for row in rows.values()} == {
        ("00000000-0000-0000-0000-000000000001", "customer", 5)
    }


def test_the_audit_table_keeps_what_the_metadata_said(desk: Desk) -> None:
    desk.do(
        WORKED[0],
        causation_id="quote 7",
        idempotency_key="k",
        origin_id=UUID(int=8),
        correlation_id=UUID(int=9),
    )

    project(desk.url)

    (row,) = rows_of(desk.url, Audit())
    said = (row.causation_id, row.idempotency_key, row.origin_id, row.correlation_id)
    assert said == ("quote 7", "k", UUID(int=8), UUID(int=9))


def test_the_two_worked_histories_have_every_kind_of_event_but_one(desk: Desk) -> None:
    work(desk)
    live_on(desk)

    missing = set(TOPICS.values()) - {fact.topic for fact in desk.facts()}

    assert missing == {"Erasure.Certified"}  # whoever is erased has no account that could do all the rest


def test_every_event_can_be_put_into_words(desk: Desk) -> None:
    work(desk)
    live_on(desk)

    said = [describe(fact.event) for fact in desk.facts()]

    assert all(said)
    assert not any(words.endswith(".") for words in said)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_size_of_a_batch_changes_no_row(desk: Desk, batch: int) -> None:
    work(desk)
    live_on(desk)
    project(desk.url, batch=2000)
    wanted = tables(desk.url)
    with connect(desk.url, application="test") as connection:
        connection.execute("DELETE FROM projection_generations")
        for projection in PROJECTIONS:
            connection.execute(f"DROP TABLE read.{projection.name}".encode())

    project(desk.url, batch=batch)

    assert tables(desk.url) == wanted


def test_a_projection_that_forgets_an_event_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"Forgetful must either handle or ignore Account\.Withdrawn"):

        class Forgetful(Projection):
            name, version, row, key_columns = "forgetful", 1, Balances.row, ("account_id",)
            ignores = tuple(kind for kind in TOPICS if kind is not Account.Withdrawn)


def test_a_projection_that_handles_what_it_ignores_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"handle or ignore Account\.Opened"):

        class Torn(Projection):
            name, version, row, key_columns = "torn", 1, Balances.row, ("account_id",)
            ignores = tuple(TOPICS)

            @on(Account.Opened)
            def opened(self, event: Any, rows: Any) -> None:
                """Nothing."""


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_every_projection_of_the_catalogue_names_every_event(projection: Projection) -> None:
    named: Sequence[Any] = [*projection.handlers, *projection.ignores]

    assert sorted(TOPICS[kind] for kind in named) == sorted(TOPICS.values())
