"""Dividends and splits over HTTP: announced by staff, done by a scheduler beside the server, seen by customers."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from infrastructure.wiring.scheduler import run_scheduler
from tests.http.running import Market, Running, executing, refused, until

Staff = dict[str, httpx.Client]
ACTIONS = "/api/v1/corporate-actions"
_ex_dates = count(1)


def day(ahead: int = 0) -> str:
    return str(datetime.now(UTC).date() + timedelta(days=ahead))


@pytest.fixture(scope="module")
def scheduling(running: Running) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run_scheduler, args=(running.settings, stop), daemon=True)
    thread.start()
    with executing(running.settings):
        yield
    stop.set()
    thread.join(timeout=60)


def shares_of(client: httpx.Client, symbol: str) -> dict[str, Any] | None:
    found = client.get("/api/v1/portfolio/positions").json()["items"]
    return next((one for one in found if one["symbol"] == symbol), None)


def buy(client: httpx.Client, symbol: str, quantity: str) -> dict[str, Any]:
    order = {"symbol": symbol, "side": "buy", "type": "market", "quantity": quantity}
    client.post("/api/v1/orders", json=order, headers={"Prefer": "wait=10"}).raise_for_status()
    return until(lambda: shares_of(client, symbol))


@pytest.mark.usefixtures("scheduling")
def test_a_split_announced_for_today_changes_shares_and_orders_and_not_what_they_cost(
    market: Market, customer: httpx.Client, staff: Staff
) -> None:
    bought = buy(customer, "AAPL", "10")
    resting = {"symbol": "AAPL", "side": "buy", "type": "limit", "quantity": "3", "limit_price": "70.00"}
    order = customer.post("/api/v1/orders", json={**resting, "time_in_force": "gtc"}).json()

    split = {"symbol": "aapl", "numerator": 7, "denominator": 1, "ex_date": day()}
    announced = staff["admin"].post(f"{ACTIONS}/splits", json=split)
    assert announced.status_code == 201, announced.text
    assert announced.json()["status"] == "announced"
    url = f"{ACTIONS}/{announced.json()['action_id']}"
    until(lambda: customer.get(url).json()["status"] == "completed")

    after = until(
        lambda: (found := shares_of(customer, "AAPL")) and found["quantity"] == "70.000000" and found
    )
    assert after["cost"] == bought["cost"]
    adjusted = customer.get(f"/api/v1/orders/{order['order_id']}").json()
    assert (adjusted["quantity"], adjusted["limit_price"]) == ("21.000000", "10.0000")
    activity = customer.get("/api/v1/account/activity").json()["items"]
    assert {"split", "order_adjusted"} <= {one["type"] for one in activity}
    again = staff["admin"].post(f"{ACTIONS}/splits", json=split)
    assert again.json()["action_id"] == announced.json()["action_id"]
    refused(
        staff["admin"].post(url + "/cancel", json={"reason": "no"}),
        409,
        "corporate_action_must_not_have_begun",
    )


@pytest.mark.usefixtures("scheduling")
def test_a_dividend_is_seen_from_the_ex_date_on_and_comes_in_on_the_pay_date(
    market: Market, customer: httpx.Client, staff: Staff
) -> None:
    """Late: the ex-date is tomorrow's yesterday, so what is held now was not held then."""
    buy(customer, "MSFT", "10")
    dividend = {"symbol": "MSFT", "rate": "0.475", "ex_date": day(), "pay_date": day()}
    announced = staff["admin"].post(f"{ACTIONS}/dividends", json=dividend).json()

    until(lambda: customer.get(f"{ACTIONS}/{announced['action_id']}").json()["status"] == "completed")

    # Bought on the ex-date: not entitled.
    assert customer.get("/api/v1/dividends").json()["items"] == []
    listed = customer.get(ACTIONS, params={"symbol": "MSFT"}).json()["items"]
    assert [(one["kind"], one["rate"], one["accounts"]) for one in listed] == [("dividend", "0.475000", 0)]


def test_what_is_announced_can_be_cancelled_and_is_listed_in_pages(running: Running, staff: Staff) -> None:
    for ahead in (10, 11, 12):
        body = {"symbol": "PAGE", "rate": "1", "ex_date": day(ahead), "pay_date": day(ahead + 5)}
        last = staff["admin"].post(f"{ACTIONS}/dividends", json=body).json()
    first = staff["compliance"].get(ACTIONS, params={"symbol": "PAGE", "limit": 2}).json()
    rest = (
        staff["compliance"]
        .get(ACTIONS, params={"symbol": "PAGE", "limit": 2, "cursor": first["next_cursor"]})
        .json()
    )
    assert [one["ex_date"] for one in first["items"] + rest["items"]] == [day(12), day(11), day(10)]

    gone = staff["admin"].post(f"{ACTIONS}/{last['action_id']}/cancel", json={"reason": "a mistake"})

    assert gone.json()["status"] == "cancelled"
    listed = staff["admin"].get(ACTIONS, params={"symbol": "PAGE", "status": "cancelled"}).json()["items"]
    assert [(one["action_id"], one["reason"]) for one in listed] == [(last["action_id"], "a mistake")]


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("splits", {"numerator": 1, "denominator": 1}, 422, "corporate_action_must_be_well_formed"),
        ("splits", {"numerator": 0, "denominator": 1}, 400, "request_must_be_well_formed"),
        (
            "splits",
            {"numerator": 2, "denominator": 1, "ex_date": day(-1)},
            409,
            "ex_date_must_not_have_passed",
        ),
        ("splits", {"numerator": 2, "denominator": 1, "symbol": "?"}, 422, "symbol_must_be_well_formed"),
        ("splits", {"numerator": 2, "denominator": 1, "ex_date": "soon"}, 400, "request_must_be_well_formed"),
        (
            "splits",
            {"numerator": 2, "denominator": 1, "cash_in_lieu": "0.00001"},
            422,
            "price_must_have_at_most_four_places",
        ),
        ("dividends", {"rate": "0", "pay_date": day(9)}, 422, "corporate_action_must_be_well_formed"),
        ("dividends", {"rate": "1", "pay_date": day(-9)}, 422, "corporate_action_must_be_well_formed"),
        ("dividends", {"rate": 0.5, "pay_date": day(9)}, 400, "request_must_be_well_formed"),
        (
            "dividends",
            {"rate": "99999999999999999999", "pay_date": day(9)},
            422,
            "corporate_action_must_be_well_formed",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    staff: Staff, kind: str, body: dict[str, Any], status: int, code: str
) -> None:
    usual = {"symbol": "ODD", "ex_date": day(5)}

    refused(staff["admin"].post(f"{ACTIONS}/{kind}", json={**usual, **body}), status, code)


def test_only_admins_announce_and_everybody_sees(staff: Staff, customer: httpx.Client) -> None:
    body = {"symbol": "WHO", "rate": "1", "ex_date": day(5), "pay_date": day(9)}
    for client in (customer, staff["compliance"]):
        refused(client.post(f"{ACTIONS}/dividends", json=body), 403, "role_must_allow")
        assert client.get(ACTIONS).status_code == 200
    refused(staff["admin"].get("/api/v1/dividends"), 403, "role_must_allow")
    nothing = "00000000-0000-0000-0000-000000000001"
    refused(customer.get(f"{ACTIONS}/{nothing}"), 404, "corporate_action_must_exist")
    refused(
        staff["admin"].post(f"{ACTIONS}/{nothing}/cancel", json={"reason": "x"}),
        404,
        "corporate_action_must_exist",
    )
