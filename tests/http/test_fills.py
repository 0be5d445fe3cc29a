"""Orders that trade: what the customer is answered, and what the portfolio says then."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from tests.http.running import Market, Running, executing, order, until

TEN_AT_MARKET = order(type="market", limit_price=None)


@pytest.fixture(scope="module", autouse=True)
def executor(running: Running, market: Market) -> Iterator[None]:
    with executing(running.settings):
        until(lambda: httpx.get(f"{running.url}/health").json()["log_position"] >= 0)
        with closing(running.customer("10000.00")) as first:  # until the executor has come up
            placed = first.post("/api/v1/orders", json=TEN_AT_MARKET).json()["order_id"]
            until(lambda: first.get(f"/api/v1/orders/{placed}").json()["status"] == "filled")
        yield


def test_a_market_order_is_answered_filled_and_its_execution_can_be_read(customer: httpx.Client) -> None:
    answer = customer.post("/api/v1/orders", json=TEN_AT_MARKET, headers={"Prefer": "wait=10"})

    filled = answer.json()
    assert (answer.status_code, filled["status"], filled["filled_quantity"]) == (201, "filled", "10.000000")
    read = customer.get(f"/api/v1/orders/{filled['order_id']}").json()
    (execution,) = read["executions"]
    assert (execution["quantity"], execution["side"]) == ("10.000000", "buy")
    assert execution["price"] == filled["average_price"]
    balance = customer.get("/api/v1/wallet/balance").json()
    assert (balance["held"], float(balance["cash"])) == ("0.00", 10_000 - float(execution["amount"]))


def test_a_repeated_market_order_is_answered_as_it_stands_now(customer: httpx.Client) -> None:
    key = {"Idempotency-Key": "m", "Prefer": "wait=10"}
    answers = [customer.post("/api/v1/orders", json=TEN_AT_MARKET, headers=key).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["status"] == "filled"


def test_a_fill_or_kill_order_that_cannot_fill_is_answered_cancelled(customer: httpx.Client) -> None:
    body = order(time_in_force="fok")
    answer = customer.post("/api/v1/orders", json=body, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["status"]) == (201, "cancelled")


def test_the_portfolio_is_cash_and_shares_at_the_last_sale(customer: httpx.Client, market: Market) -> None:
    customer.post("/api/v1/orders", json=TEN_AT_MARKET, headers={"Prefer": "wait=10"})

    market.publish(AAPL="104.00")
    until(lambda: customer.get("/api/v1/quotes/AAPL").json()["last"] == "104.00")
    portfolio = customer.get("/api/v1/portfolio").json()

    (position,) = portfolio["positions"]
    assert (position["symbol"], position["mark"], position["value"]) == ("AAPL", "104.00", "1040.00")
    assert position["unrealised"] == f"{1040 - float(position['cost']):.2f}"
    assert position["day_profit"] == "39.00"  # since they were bought, in this session, for 1,001.00
    assert portfolio["invested"] == "1040.00"
    assert float(portfolio["value"]) == float(portfolio["cash"]) + 1040
    assert portfolio["total_profit"] == position["unrealised"]
    assert customer.get("/api/v1/portfolio/positions").json()["items"] == [position]
    assert len(position["lots"]) == 1

    market.previous_close = datetime.now(UTC)  # another session begins: nothing gained in it yet
    market.publish(AAPL="104.00")
    until(lambda: customer.get("/api/v1/portfolio").json()["day_profit"] == "0.00")


def test_profit_of_a_sale_is_realised_and_the_flat_position_is_not_listed(customer: httpx.Client) -> None:
    wait = {"Prefer": "wait=10"}
    bought = customer.post("/api/v1/orders", json=TEN_AT_MARKET, headers=wait).json()
    sold = customer.post("/api/v1/orders", json={**TEN_AT_MARKET, "side": "sell"}, headers=wait).json()
    assert (bought["status"], sold["status"]) == ("filled", "filled")

    portfolio = customer.get("/api/v1/portfolio").json()
    assert portfolio["positions"] == customer.get("/api/v1/portfolio/positions").json()["items"] == []
    assert portfolio["value"] == portfolio["cash"]
    assert Decimal(portfolio["realised"]) == Decimal(portfolio["cash"]) - 10_000
    movements = customer.get("/api/v1/wallet/transactions").json()["items"]
    assert [each["type"] for each in movements] == ["sale", "purchase", "deposit"]
    kinds = {each["type"] for each in customer.get("/api/v1/account/activity").json()["items"]}
    assert {"account_opened", "order_placed", "purchase", "sale", "deposit"} <= kinds
