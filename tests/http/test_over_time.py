"""What an account was worth, its statements, and what the firm is asked about it, over HTTP."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.running import Market, Running, executing, order, refused, until

Staff = dict[str, httpx.Client]
TEN = order(type="market", limit_price=None)
WAIT = {"Prefer": "wait=10"}
OURS = [
    "/api/v1/portfolio/history",
    "/api/v1/statements",
    "/api/v1/statements/2026-01-31",
]
STAFFS = [
    "/api/v1/compliance/holdings/AAPL",
    "/api/v1/compliance/actors/executor",
    "/api/v1/compliance/actors/executor/audit",
]


@pytest.fixture(scope="module", autouse=True)
def executor(running: Running, market: Market) -> Iterator[None]:
    with executing(running.settings), closing(running.customer("10000.00")) as first:
        placed = first.post("/api/v1/orders", json=order(type="market", limit_price=None)).json()["order_id"]
        until(lambda: first.get(f"/api/v1/orders/{placed}").json()["status"] == "filled")
        yield


@pytest.fixture(scope="module")
def trader(running: Running) -> Iterator[httpx.Client]:
    """Paid in 10,000, bought ten AAPL, sold four, paid out 5."""
    with closing(running.customer("10000.00")) as client:
        bought = client.post("/api/v1/orders", json=TEN, headers=WAIT).json()
        sold = client.post(
            "/api/v1/orders", json={**TEN, "side": "sell", "quantity": "4"}, headers=WAIT
        ).json()
        assert (bought["status"], sold["status"]) == ("filled", "filled")
        client.post("/api/v1/wallet/withdraw", json={"amount": "5.00"})
        yield client


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def get(client: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = client.get(
        f"/api/v1/{path}", params={name.rstrip("_"): value for name, value in parameters.items()}
    )
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["daybook-position"]) > 0
    assert int(answer.headers["daybook-lag"]) >= 0
    return answer.json()


def test_the_day_ends_with_cash_and_shares_at_the_last_trade(trader: httpx.Client) -> None:
    (point,) = get(trader, "portfolio/history")["items"]
    executions = [
        execution
        for each in trader.get("/api/v1/orders").json()["items"]
        for execution in trader.get(f"/api/v1/orders/{each['order_id']}").json()["executions"]
    ]
    bought = next(Decimal(each["amount"]) for each in executions if each["side"] == "buy")
    sold = next(each for each in executions if each["side"] == "sell")

    assert point["at"] == f"{today()}T00:00:00Z"
    assert (point["deposited"], point["withdrawn"]) == ("10000.00", "5.00")
    assert Decimal(point["cash"]) == Decimal("9995.00") - bought + Decimal(sold["net_amount"])
    assert Decimal(point["invested"]) == 6 * Decimal(sold["price"])
    assert Decimal(point["equity"]) == Decimal(point["cash"]) + Decimal(point["invested"])
    assert point["realised"] == sold["profit"]
    assert point["cash"] == trader.get("/api/v1/wallet/balance").json()["cash"]


@pytest.mark.parametrize("interval", ["minute", "hour", "day", "week", "month", "year"])
def test_every_interval_ends_with_the_same_account(trader: httpx.Client, interval: str) -> None:
    points = get(trader, "portfolio/history", interval=interval, limit=500)["items"]

    (day,) = get(trader, "portfolio/history")["items"]
    assert {name: points[0][name] for name in ("cash", "cost", "equity")} == {
        name: day[name] for name in ("cash", "cost", "equity")
    }
    assert sum(Decimal(point["deposited"]) for point in points) == Decimal("10000.00")


def test_the_worth_now_takes_the_current_quotes(trader: httpx.Client, market: Market) -> None:
    market.publish(AAPL="130.00")
    until(lambda: trader.get("/api/v1/quotes/AAPL").json()["last"] == "130.00")

    answer = get(trader, "portfolio/history")

    assert answer["now"]["invested"] == "780.00"
    assert answer["now"]["equity"] == trader.get("/api/v1/portfolio").json()["value"]
    assert answer["items"][0]["invested"] != "780.00"
    market.publish(AAPL="100.00")


def test_a_span_of_time_lets_in_its_first_day_and_its_last(trader: httpx.Client) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    for path in ("portfolio/history", "statements"):
        assert len(get(trader, path, from_=today(), to=today())["items"]) == 1
        assert get(trader, path, from_=tomorrow)["items"] == []
        assert get(trader, path, to="2020-01-01")["items"] == []
        assert get(trader, path, to=f"{today()}T00:00:00Z")["items"] == []
        assert len(get(trader, path, from_="0001-01-01", to="9999-12-31")["items"]) == 1


def test_a_statement_adds_up_and_has_every_movement(trader: httpx.Client) -> None:
    (listed,) = get(trader, "statements")["items"]
    found = get(trader, f"statements/{today()}")

    money = {
        name: Decimal(value) for name, value in listed.items() if isinstance(value, str) and "." in value
    }
    movements = found["movements"]["items"]
    assert {**listed, "movements": found["movements"]} == found
    assert money["opening_cash"] == 0
    assert money["fees"] == Decimal("0.01")  # Section 31, rounded up
    assert money["closing_cash"] == (
        money["deposited"] - money["withdrawn"] - money["bought"] + money["sold"] - money["fees"]
    )
    assert [each["type"] for each in movements] == ["withdrawal", "sale", "purchase", "deposit"]
    assert sum(Decimal(each["amount"]) for each in movements) == money["closing_cash"]
    assert listed["trades"] == 2
    (shares,) = listed["positions"]
    assert (shares["symbol"], shares["quantity"]) == ("AAPL", "6.000000")
    assert money["equity"] == money["closing_cash"] + money["invested"]


def test_the_movements_of_a_day_come_in_pages_that_writes_do_not_move(running: Running) -> None:
    with closing(running.customer("1.00")) as client:
        for amount in ("2.00", "3.00"):
            client.post("/api/v1/wallet/deposit", json={"amount": amount})
        first = get(client, f"statements/{today()}", limit=2)["movements"]
        client.post("/api/v1/wallet/deposit", json={"amount": "4.00"})
        second = get(client, f"statements/{today()}", limit=2, cursor=first["next_cursor"])["movements"]

    assert [each["amount"] for each in first["items"] + second["items"]] == ["3.00", "2.00", "1.00"]
    assert second["next_cursor"] is None


def test_a_day_before_the_account_and_one_that_has_not_begun_have_no_statement(trader: httpx.Client) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    refused(trader.get("/api/v1/statements/2020-01-01"), 404, "moment_must_be_within_the_accounts_life")
    for wrong in (tomorrow, "2026-02-30", "yesterday", "2026-W01-1x"):
        refused(trader.get(f"/api/v1/statements/{wrong}"), 422, "instant_must_be_well_formed")


def test_who_holds_most_of_a_symbol_comes_first_page_by_page(running: Running, staff: Staff) -> None:
    sizes = ("2", "7", "2", "0.5")
    for size in sizes:
        with closing(running.customer("10000.00")) as client:
            body = {**TEN, "symbol": "MSFT", "quantity": size}
            filled = client.post("/api/v1/orders", json=body, headers=WAIT)
            assert filled.json()["status"] == "filled"
    position = filled.headers["daybook-position"]

    pages, cursor = [], None
    while True:
        asked = {"limit": 2, "min_position": position} | ({"cursor": cursor} if cursor else {})
        answer = get(staff["compliance"], "compliance/holdings/msft", **asked)
        pages += answer["items"]
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert [each["quantity"] for each in pages] == ["7.000000", "2.000000", "2.000000", "0.500000"]
    assert len({each["account_id"] for each in pages}) == 4
    assert (answer["symbol"], answer["firm_quantity"]) == ("MSFT", "11.500000")
    assert pages[0]["share"] == "0.608696"
    nobody = get(staff["admin"], "compliance/holdings/NONE")
    assert (nobody["items"], nobody["firm_quantity"]) == ([], "0.000000")


def test_what_an_actor_did_is_counted_and_listed(running: Running, staff: Staff) -> None:
    email, ids = running.register()
    with closing(running.client(running.log_in(email)["access_token"])) as customer:
        for _ in range(3):
            answer = customer.post("/api/v1/wallet/deposit", json={"amount": "1.00"})
        last = customer.post("/api/v1/wallet/withdraw", json={"amount": "1.00"})
    path, at = f"compliance/actors/{ids['user_id']}", {"min_position": last.headers["daybook-position"]}

    first = get(staff["compliance"], path, limit=2, **at)
    second = get(staff["compliance"], path, limit=2, cursor=first["next_cursor"], **at)
    deeds = first["items"] + second["items"]
    deposits = get(staff["admin"], f"{path}/audit", topic="Account.Deposited", limit=2, **at)
    more = get(
        staff["admin"], f"{path}/audit", topic="Account.Deposited", limit=2, cursor=deposits["next_cursor"]
    )

    assert [(each["topic"], each["count"]) for each in deeds] == [
        ("Account.Deposited", 3),
        ("Account.Opened", 1),
        ("Account.Withdrawn", 1),
    ]
    assert {each["account_id"] for each in deeds} == {ids["account_id"]}
    assert deeds[0]["log_position"] == int(answer.headers["daybook-position"])
    positions = [each["log_position"] for each in deposits["items"] + more["items"]]
    assert positions == sorted(positions, reverse=True)
    assert (positions[0], positions[-1]) == (deeds[0]["log_position"], deeds[0]["first_position"])
    assert len(get(staff["admin"], f"{path}/audit", from_=today(), **at)["items"]) == 5
    assert get(staff["admin"], f"{path}/audit", to="2020-01-01")["items"] == []
    assert get(staff["admin"], f"compliance/actors/{uuid4()}")["items"] == []


def test_each_route_lets_in_its_roles_only(running: Running, somebody: httpx.Client, staff: Staff) -> None:
    with running.client() as nobody:
        for path in (*OURS, *STAFFS):
            refused(nobody.get(path), 401, "login_must_be_valid")
    for path in STAFFS:
        refused(somebody.get(path), 403, "role_must_allow")
        assert {staff[role].get(path).status_code for role in staff} == {200}
    for path in OURS:
        refused(staff["admin"].get(path), 403, "role_must_allow")


@pytest.mark.parametrize("path", [*OURS, *STAFFS])
def test_every_one_of_them_refuses_what_is_ill_formed(
    somebody: httpx.Client, staff: Staff, path: str
) -> None:
    client = somebody if path in OURS else staff["compliance"]
    path = path.replace("2026-01-31", today())
    for wrong in ("limit=0", "limit=501", "min_position=-1"):
        refused(client.get(f"{path}?{wrong}"), 400, "request_must_be_well_formed")
    for cursor in ("x", "YWN0aXZpdHk6MTM", "aG9sZGVycy1BQVBMOk5hTi94", "ZGVlZHM6eA"):
        refused(client.get(f"{path}?cursor={cursor}"), 422, "cursor_must_be_from_a_page")
    answer = client.get(f"{path}?min_position=999999999")
    assert refused(answer, 503, "read_table_must_reach_position")["min_position"] == 999999999


@pytest.mark.parametrize("wrong", ["from=x", "to=2026-13-01", "from=2026-01-01T00:00:00", "to=%00"])
def test_a_span_of_time_is_well_formed(somebody: httpx.Client, wrong: str) -> None:
    for path in OURS[:2]:
        refused(somebody.get(f"{path}?{wrong}"), 422, "instant_must_be_well_formed")
    refused(somebody.get(f"{OURS[0]}?interval=second"), 400, "request_must_be_well_formed")
