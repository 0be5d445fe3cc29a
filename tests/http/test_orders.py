"""Orders over HTTP, from the request to what can be read back."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.running import Market, Running, order, refused

pytestmark = pytest.mark.usefixtures("market")


def test_a_placed_order_can_be_read_at_once_as_it_was_answered(customer: httpx.Client) -> None:
    placed = customer.post("/api/v1/orders", json=order(symbol="aapl", client_order_id="mine"))

    assert placed.status_code == 201
    assert placed.headers["daybook-position"] == str(placed.json()["log_position"])
    body = placed.json()
    assert (body["symbol"], body["status"], body["quantity"]) == ("AAPL", "accepted", "10.000000")
    assert (body["limit_price"], body["client_order_id"]) == ("90.0000", "mine")
    assert body["placed_at"].endswith("Z")
    read = customer.get(f"/api/v1/orders/{body['order_id']}")
    assert read.json() == {**body, "executions": []}
    assert int(read.headers["daybook-position"]) >= body["log_position"]
    assert read.headers["daybook-lag"] == "0"
    assert customer.get("/api/v1/wallet/balance").json()["held"] == "900.00"


def test_a_whole_number_does_for_a_quantity(customer: httpx.Client) -> None:
    placed = customer.post("/api/v1/orders", json=order(quantity=3, limit_price=90))
    assert (placed.json()["quantity"], placed.json()["limit_price"]) == ("3.000000", "90.0000")


def test_a_rejected_order_is_a_problem_that_can_be_read_back(customer: httpx.Client) -> None:
    answer = customer.post("/api/v1/orders", json=order(quantity="1000"))

    problem = refused(answer, 422, "available_cash_must_cover_order")
    assert problem["detail"] == "10000.00 is available, 90000.00 is needed"
    assert answer.headers["daybook-position"] == str(problem["log_position"])
    read = customer.get(f"/api/v1/orders/{problem['order_id']}").json()
    assert (read["status"], read["reason"]) == ("rejected", "available_cash_must_cover_order")
    assert read["detail"] == problem["detail"]


def test_shares_that_are_not_there_cannot_be_sold(customer: httpx.Client) -> None:
    answer = customer.post("/api/v1/orders", json=order(side="sell"))
    refused(answer, 422, "free_shares_must_cover_order")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"symbol": "NOPE"}, 422, "symbol_must_be_listed"),
        ({"symbol": "not a ticker"}, 422, "symbol_must_be_well_formed"),
        ({"limit_price": None}, 422, "order_terms_must_fit_its_type"),
        ({"type": "market"}, 422, "order_terms_must_fit_its_type"),
        ({"quantity": "0"}, 422, "quantity_must_have_at_most_six_places"),
        ({"quantity": "-1"}, 422, "quantity_must_have_at_most_six_places"),
        ({"quantity": "0.0000001"}, 422, "quantity_must_have_at_most_six_places"),
        ({"limit_price": "1.00001"}, 422, "price_must_have_at_most_four_places"),
        ({"limit_price": "99999999"}, 422, "price_must_have_at_most_four_places"),
    ],
)
def test_an_order_that_cannot_be_meant_leaves_nothing(
    somebody: httpx.Client, change: dict[str, Any], status: int, code: str
) -> None:
    refused(somebody.post("/api/v1/orders", json=order(**change)), status, code)

    assert somebody.get("/api/v1/orders").json()["items"] == []


def test_a_client_order_id_is_used_once(customer: httpx.Client) -> None:
    body = order(client_order_id="once")
    assert customer.post("/api/v1/orders", json=body).status_code == 201

    refused(customer.post("/api/v1/orders", json=body), 409, "client_order_id_must_be_unique")

    assert len(customer.get("/api/v1/orders").json()["items"]) == 1


def test_two_customers_may_use_the_same_client_order_id(running: Running, customer: httpx.Client) -> None:
    with closing(running.customer("10000.00")) as other:
        mine, theirs = (
            each.post("/api/v1/orders", json=order(client_order_id="x")) for each in (customer, other)
        )
    assert mine.json()["order_id"] != theirs.json()["order_id"]


def test_a_repeated_request_gets_the_same_answer_and_does_nothing(customer: httpx.Client) -> None:
    key = {"Idempotency-Key": "order 1"}
    first = customer.post("/api/v1/orders", json=order(), headers=key)

    with ThreadPoolExecutor(4) as threads:
        again = [threads.submit(customer.post, "/api/v1/orders", json=order(), headers=key) for _ in range(8)]

    assert [(each.result().status_code, each.result().json()) for each in again] == [(201, first.json())] * 8
    assert customer.get("/api/v1/wallet/balance").json()["held"] == "900.00"


def test_a_rejection_is_repeated_too(customer: httpx.Client) -> None:
    key = {"Idempotency-Key": "too much"}
    problems = [
        customer.post("/api/v1/orders", json=order(quantity="1000"), headers=key).json() for _ in range(2)
    ]
    assert problems[0]["order_id"] == problems[1]["order_id"]


def test_a_key_is_not_for_another_body_or_route(customer: httpx.Client) -> None:
    key = {"Idempotency-Key": "k"}
    customer.post("/api/v1/wallet/deposit", json={"amount": "1.00"}, headers=key)

    code = "idempotency_key_must_match_its_request"
    refused(customer.post("/api/v1/wallet/deposit", json={"amount": "2.00"}, headers=key), 409, code)
    refused(customer.post("/api/v1/wallet/withdraw", json={"amount": "1.00"}, headers=key), 409, code)
    refused(customer.post("/api/v1/orders", json=order(), headers=key), 409, code)


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\there", "é"])
def test_a_key_has_1_to_200_printable_characters(somebody: httpx.Client, key: str) -> None:
    answer = somebody.post(
        "/api/v1/wallet/deposit", json={"amount": "1.00"}, headers={"Idempotency-Key": key.encode("latin-1")}
    )
    assert refused(answer, 400, "request_must_be_well_formed")["parameter"] == "Idempotency-Key"


def test_an_open_order_can_be_changed_and_taken_back(customer: httpx.Client) -> None:
    url = f"/api/v1/orders/{customer.post('/api/v1/orders', json=order()).json()['order_id']}"

    changed = customer.patch(url, json={"quantity": "5", "limit_price": "80.00"})
    assert changed.status_code == 200
    assert (changed.json()["quantity"], changed.json()["revision"]) == ("5.000000", 1)
    assert customer.get("/api/v1/wallet/balance").json()["held"] == "400.00"
    refused(customer.patch(url, json={}), 422, "replacement_must_change_something")

    taken_back = customer.delete(url)
    assert (taken_back.status_code, taken_back.json()["status"]) == (200, "cancelled")
    assert customer.delete(url).status_code == 200
    assert customer.get("/api/v1/wallet/balance").json()["held"] == "0.00"
    refused(customer.patch(url, json={"quantity": "6"}), 409, "order_must_be_open")


def test_the_stop_of_a_stop_order_can_be_moved(customer: httpx.Client) -> None:
    stop = order(type="stop", limit_price=None, stop_price="110.00", quantity="1")
    placed = customer.post("/api/v1/orders", json=stop).json()
    assert customer.get("/api/v1/wallet/balance").json()["held"] == "115.50"

    moved = customer.patch(f"/api/v1/orders/{placed['order_id']}", json={"stop_price": "120.00"})

    assert moved.json()["stop_price"] == "120.0000"
    assert customer.get("/api/v1/wallet/balance").json()["held"] == "126.00"


def test_an_order_is_its_customers_only(running: Running, customer: httpx.Client) -> None:
    url = f"/api/v1/orders/{customer.post('/api/v1/orders', json=order()).json()['order_id']}"
    with closing(running.customer("1.00")) as stranger:
        for answer in (
            stranger.get(url),
            stranger.delete(url),
            stranger.patch(url, json={"quantity": "1"}),
            stranger.patch(url, json={"stop_price": "1"}),
            stranger.get(f"/api/v1/orders/{uuid4()}"),
        ):
            refused(answer, 404, "order_must_exist")
    assert customer.get(url).json()["status"] == "accepted"


def test_the_id_of_an_account_is_no_order(running: Running) -> None:
    email, ids = running.register()
    url = f"/api/v1/orders/{ids['account_id']}"
    with closing(running.customer("1.00")) as stranger:
        refused(stranger.delete(url), 404, "order_must_exist")
    with closing(running.client(running.log_in(email)["access_token"])) as owner:
        assert owner.post("/api/v1/wallet/deposit", json={"amount": "1.00"}).status_code == 201
        for answer in (owner.get(url), owner.delete(url), owner.patch(url, json={"quantity": "1"})):
            refused(answer, 404, "order_must_exist")
        assert owner.post("/api/v1/wallet/deposit", json={"amount": "1.00"}).status_code == 201
        assert owner.get("/api/v1/wallet/balance").json()["cash"] == "2.00"


def test_orders_are_listed_by_status_and_symbol(customer: httpx.Client) -> None:
    kept = customer.post("/api/v1/orders", json=order()).json()["order_id"]
    gone = customer.post("/api/v1/orders", json=order(symbol="MSFT", limit_price="40")).json()["order_id"]
    customer.delete(f"/api/v1/orders/{gone}")

    def listed(**parameters: str) -> list[str]:
        found = customer.get("/api/v1/orders", params=parameters)
        assert found.status_code == 200, found.text
        return [each["order_id"] for each in found.json()["items"]]

    assert listed() == listed(status="all") == [gone, kept]
    assert listed(status="open") == listed(status="accepted,filled") == listed(symbol="aapl") == [kept]
    assert listed(status="closed") == listed(status="cancelled", symbol="MSFT") == [gone]
    assert listed(status="filled") == []
    answer = customer.get("/api/v1/orders", params={"status": "open,nonsense"})
    assert refused(answer, 400, "request_must_be_well_formed")["parameter"] == "status"


def test_pages_neither_repeat_nor_hide_an_order_while_new_ones_arrive(customer: httpx.Client) -> None:
    before = [customer.post("/api/v1/orders", json=order(quantity="1")).json()["order_id"] for _ in range(7)]

    seen: list[str] = []
    cursor: str | None = None
    while True:
        parameters = {"limit": "3"} if cursor is None else {"limit": "3", "cursor": cursor}
        page = customer.get("/api/v1/orders", params=parameters).json()
        seen += [each["order_id"] for each in page["items"]]
        cursor = page["next_cursor"]
        customer.post("/api/v1/orders", json=order(quantity="1"))
        if cursor is None:
            break

    assert seen == before[::-1]


@pytest.mark.parametrize(
    "cursor",
    ["x", "!!", "b3JkZXJz", "b3JkZXJzOi0x", "YWN0aXZpdHk6NQ", "é", "b3JkZXJzOjk5OTk5OTk5OTk5OTk5OTk5OTk5"],
)
def test_a_cursor_that_no_page_gave_out_is_refused(somebody: httpx.Client, cursor: str) -> None:
    refused(somebody.get("/api/v1/orders", params={"cursor": cursor}), 422, "cursor_must_be_from_a_page")


@pytest.mark.parametrize(
    "parameters", [{"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"min_position": "-1"}]
)
def test_a_parameter_that_is_out_of_bounds_is_named(
    somebody: httpx.Client, parameters: dict[str, str]
) -> None:
    answer = somebody.get("/api/v1/orders", params=parameters)
    assert refused(answer, 400, "request_must_be_well_formed")["parameter"] == next(iter(parameters))


def test_a_read_says_when_its_table_does_not_reach_the_position_in_time(somebody: httpx.Client) -> None:
    answer = somebody.get("/api/v1/orders", params={"min_position": "1000000"})
    problem = refused(answer, 503, "read_table_must_reach_position")
    assert answer.headers["retry-after"] == "1"
    assert problem["min_position"] == 1_000_000
    assert problem["log_position"] > 0


def test_a_market_order_is_answered_before_it_fills_when_nobody_fills_it(
    customer: httpx.Client, market: Market
) -> None:
    body = order(type="market", limit_price=None, quantity="1")
    answer = customer.post("/api/v1/orders", json=body, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
    assert answer.headers["preference-applied"] == "respond-async"

    answer = customer.post("/api/v1/orders", json=body, headers={"Prefer": "foo, wait=1"})
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.elapsed.total_seconds() >= 0.9
    assert "preference-applied" not in customer.post("/api/v1/orders", json=body).headers
