"""Lots by choice, gains by term and wash sales over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.http.running import Market, Running, executing, refused


@pytest.fixture(scope="module", autouse=True)
def filling(running: Running, market: Market) -> Iterator[None]:
    with executing(running.settings):
        yield


def trade(customer: httpx.Client, side: str, quantity: str, limit: str, **more: Any) -> dict[str, Any]:
    body = {
        "symbol": "AAPL",
        "side": side,
        "type": "limit",
        "quantity": quantity,
        "limit_price": limit,
        **more,
    }
    answer = customer.post(
        "/api/v1/orders", json={**body, "time_in_force": "ioc"}, headers={"Prefer": "wait=5"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "filled", answer.text
    found: dict[str, Any] = answer.json()
    return found


def lots(customer: httpx.Client) -> list[dict[str, Any]]:
    (position,) = customer.get("/api/v1/portfolio/positions").json()["items"]
    found: list[dict[str, Any]] = position["lots"]
    return found


def executions(customer: httpx.Client, order: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = customer.get(f"/api/v1/orders/{order['order_id']}").json()["executions"]
    return found


def test_a_sale_takes_the_lots_it_names_and_shows_them(customer: httpx.Client, market: Market) -> None:
    for _ in range(2):
        trade(customer, "buy", "5", "110.00")
    first, second = (lot["lot_id"] for lot in lots(customer))

    sale = trade(customer, "sell", "3", "90.00", lots=[{"lot_id": second, "quantity": "3"}])

    assert (sale["lot_method"], sale["lots"]) == ("specific", [{"lot_id": second, "quantity": "3.000000"}])
    (execution,) = executions(customer, sale)
    assert [(lot["lot_id"], lot["quantity"]) for lot in execution["lots"]] == [(second, "3.000000")]
    assert (execution["lot_method"], execution["long_term"]) == ("specific", "0.00")
    assert sum(float(lot["quantity"]) for lot in lots(customer) if lot["lot_id"] == first) <= 5
    answer = customer.post(
        "/api/v1/orders",
        json={
            "symbol": "AAPL",
            "side": "sell",
            "type": "market",
            "quantity": "3",
            "lots": [{"lot_id": second, "quantity": "3"}],
        },
    )
    refused(answer, 422, "lots_must_cover_order")
    assert customer.get(f"/api/v1/orders/{answer.json()['order_id']}").json()["lot_method"] == "specific"


@pytest.mark.parametrize(
    ("side", "more"),
    [
        ("buy", {"lot_method": "lifo"}),
        ("sell", {"lot_method": "specific"}),
        ("sell", {"lot_method": "fifo", "lots": [{"lot_id": "0" * 32, "quantity": "1"}]}),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused(
    somebody: httpx.Client, market: Market, side: str, more: dict[str, Any]
) -> None:
    body = {"symbol": "AAPL", "side": side, "type": "market", "quantity": "1", **more}
    refused(somebody.post("/api/v1/orders", json=body), 422, "order_terms_must_fit_its_type")


@pytest.mark.parametrize(
    "more", [{"lot_method": "best"}, {"lots": []}, {"lots": [{"lot_id": "x", "quantity": "1"}]}]
)
def test_a_choice_that_is_not_one_is_refused(
    somebody: httpx.Client, market: Market, more: dict[str, Any]
) -> None:
    body = {"symbol": "AAPL", "side": "sell", "type": "market", "quantity": "1", **more}
    refused(somebody.post("/api/v1/orders", json=body), 400, "request_must_be_well_formed")


def test_the_accounts_method_can_be_chosen(customer: httpx.Client) -> None:
    route = "/api/v1/account/lot-method"
    assert customer.get(route).json()["lot_method"] == "fifo"

    chosen = customer.put(route, json={"lot_method": "hifo"})

    assert (chosen.status_code, chosen.json()["lot_method"]) == (200, "hifo")
    assert customer.get(route).json()["lot_method"] == "hifo"
    refused(customer.put(route, json={"lot_method": "specific"}), 422, "lot_method_must_stand_by_itself")
    refused(customer.put(route, json={"lot_method": "best"}), 400, "request_must_be_well_formed")


def test_a_loss_that_is_bought_back_is_not_allowed_and_the_year_says_so(
    customer: httpx.Client, market: Market
) -> None:
    trade(customer, "buy", "10", "110.00")
    (bought,) = lots(customer)
    sale = trade(customer, "sell", "10", "90.00")
    trade(customer, "buy", "4", "110.00")

    (execution,) = executions(customer, sale)
    lost = -float(execution["profit"])
    assert lost > 0
    assert float(execution["wash_disallowed"]) == pytest.approx(lost * 0.4, abs=0.006)
    (position,) = customer.get("/api/v1/portfolio/positions").json()["items"]
    (lot,) = position["lots"]
    assert lot["replaces"] == execution["execution_id"]
    assert lot["disallowed"] == execution["wash_disallowed"] == position["wash_disallowed"]
    assert position["realised_short"] == execution["short_term"] == position["realised"]

    year = datetime.now(UTC).year
    answer = customer.get("/api/v1/tax/gains", params={"year": year}).json()
    (gain,) = answer["items"]
    assert (gain["description"], gain["term"], gain["method"]) == ("10 AAPL", "short", "fifo")
    assert (gain["lot_id"], gain["basis"]) == (bought["lot_id"], bought["cost"])
    assert gain["wash_disallowed"] == execution["wash_disallowed"]
    assert gain["gain"] == answer["short"]["gain"] == execution["short_term"]
    assert (answer["short"]["sales"], answer["long"]["sales"]) == (1, 0)
    empty = customer.get("/api/v1/tax/gains", params={"year": year - 1}).json()
    assert (empty["items"], empty["short"]["proceeds"]) == ([], "0.00")


def test_a_years_gains_come_in_pages(customer: httpx.Client, market: Market) -> None:
    for _ in range(3):
        trade(customer, "buy", "1", "110.00")
    trade(customer, "sell", "3", "90.00")

    year, found, cursor = datetime.now(UTC).year, [], None
    while True:
        parameters = {"year": year, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = customer.get("/api/v1/tax/gains", params=parameters).json()
        found += [item["lot_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(found) == len(set(found)) == 3 == page["short"]["sales"]
    refused(customer.get(f"/api/v1/tax/gains?year={year}&cursor=x"), 422, "cursor_must_be_from_a_page")
    refused(customer.get("/api/v1/tax/gains"), 400, "request_must_be_well_formed")
    refused(customer.get("/api/v1/tax/gains?year=0"), 400, "request_must_be_well_formed")
    refused(customer.get(f"/api/v1/tax/gains?year={year}&term=mid"), 400, "request_must_be_well_formed")
