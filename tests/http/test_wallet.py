"""Cash over HTTP, and the account as it stood."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.http.running import Running, refused


def pay_in(customer: httpx.Client, amount: Any, **headers: str) -> httpx.Response:
    return customer.post("/api/v1/wallet/deposit", json={"amount": amount}, headers=headers)


def test_money_in_and_out_is_answered_with_the_wallet_and_read_back_at_once(customer: httpx.Client) -> None:
    for amount, cash in [("0.01", "10000.01"), (5, "10005.01"), ("1.5", "10006.51")]:
        answer = pay_in(customer, amount)
        assert (answer.status_code, answer.json()["cash"]) == (201, cash)
        assert answer.json()["log_position"] == int(answer.headers["daybook-position"])
        assert customer.get("/api/v1/wallet/balance").json()["cash"] == cash

    answer = customer.post("/api/v1/wallet/withdraw", json={"amount": "10006.51"})

    assert (answer.status_code, answer.json()["withdrawable"]) == (201, "0.00")
    balance = customer.get("/api/v1/wallet/balance").json()
    assert balance == {
        "cash": "0.00",
        "held": "0.00",
        "withdrawing": "0.00",
        "owed": "0.00",
        "unsettled": "0.00",
        "good_faith_violations": 0,
        "buying_power": "0.00",
        "withdrawable": "0.00",
        "currency": "USD",
        "status": "open",
        "updated_at": balance["updated_at"],
        "log_position": answer.json()["log_position"],
    }


def test_more_than_there_is_cannot_be_withdrawn(somebody: httpx.Client) -> None:
    answer = somebody.post("/api/v1/wallet/withdraw", json={"amount": "10000.01"})
    refused(answer, 422, "available_cash_must_cover_withdrawal")
    assert somebody.get("/api/v1/wallet/balance").json()["cash"] == "10000.00"


@pytest.mark.parametrize(
    "amount", ["0", "0.00", "-1", "0.001", "1000000000001", 0, -5, 10**18, 10**30, "99999999999999999999"]
)
def test_an_amount_that_is_no_sum_of_cents_is_refused(somebody: httpx.Client, amount: Any) -> None:
    refused(pay_in(somebody, amount), 422, "money_must_be_whole_cents")


@pytest.mark.parametrize(
    "text",
    [
        *("1.5", "1e2", "NaN", "Infinity", "-Infinity", "1.0"),
        *(
            '"NaN"',
            '"Infinity"',
            '"1e30"',
            '"1e2"',
            '" 1"',
            '"1,000"',
            '"1_000"',
            '"\u0661"',
            '""',
            '"0x10"',
            '"+1"',
        ),
        *("true", "null", "[]", "{}", "1" * 5000, '"' + "1" * 5000 + '"'),
    ],
)
def test_an_amount_that_is_not_exact_decimal_text_is_refused(somebody: httpx.Client, text: str) -> None:
    answer = somebody.post("/api/v1/wallet/deposit", content=f'{{"amount": {text}}}')
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("request_must_be_well_formed", "money_must_be_whole_cents")
    assert somebody.get("/api/v1/wallet/balance").json()["cash"] == "10000.00"


def test_a_float_is_refused_with_a_reason_and_a_pointer(somebody: httpx.Client) -> None:
    problem = refused(pay_in(somebody, 1.5), 400, "request_must_be_well_formed")
    assert problem["pointer"] == "#/amount"
    assert "not exact" in problem["detail"]


def test_a_repeated_deposit_pays_in_once(customer: httpx.Client) -> None:
    answers = [pay_in(customer, "5.00", **{"Idempotency-Key": "pay day"}) for _ in range(3)]
    assert len({answer.text for answer in answers}) == 1
    assert customer.get("/api/v1/wallet/balance").json()["cash"] == "10005.00"
    # The same sum in another spelling is another request.
    code = "idempotency_key_must_match_its_request"
    refused(pay_in(customer, 5, **{"Idempotency-Key": "pay day"}), 409, code)


def test_movements_come_in_pages_newest_first(customer: httpx.Client) -> None:
    for cents in range(1, 6):
        pay_in(customer, f"0.0{cents}")

    pages, cursor = [], None
    while True:
        parameters = {"limit": "4"} | ({} if cursor is None else {"cursor": cursor})
        page = customer.get("/api/v1/wallet/transactions", params=parameters).json()
        pages.append([each["amount"] for each in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert pages == [["0.05", "0.04", "0.03", "0.02"], ["0.01", "10000.00"]]


def test_the_account_as_it_stood_at_a_position_and_at_a_moment(customer: httpx.Client) -> None:
    first = customer.get("/api/v1/wallet/balance").json()
    between = datetime.now(UTC)
    pay_in(customer, "1.00")

    by_position = customer.get("/api/v1/account/as-of", params={"log_position": first["log_position"]})
    by_moment = customer.get("/api/v1/account/as-of", params={"at": between.isoformat()})
    unescaped = customer.get(f"/api/v1/account/as-of?at={between.isoformat()}")

    assert by_position.json()["cash"] == "10000.00"
    assert by_position.json() == by_moment.json() == unescaped.json()
    assert by_position.headers["daybook-position"] == str(by_position.json()["log_position"])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "at=2026-01-01T00:00:00Z&log_position=5",
        "at=2026-01-01T00:00:00",
        "at=2026-01-01",
        "at=nonsense",
        "at=0001-01-01T00:00:00%2B23:59",
        "at=9999-12-31T23:59:59-12:00",
        "at=2999-01-01T00:00:00Z",
        "log_position=4611686018427387904",
    ],
)
def test_a_moment_that_cannot_be_meant_is_refused(somebody: httpx.Client, query: str) -> None:
    refused(somebody.get(f"/api/v1/account/as-of?{query}"), 422, "instant_must_be_well_formed")


def test_before_its_beginning_there_was_no_account(somebody: httpx.Client) -> None:
    answer = somebody.get("/api/v1/account/as-of?at=1999-01-01T00:00:00Z")
    refused(answer, 404, "moment_must_be_within_the_accounts_life")


def test_without_quotes_market_buys_wait_for_the_market_and_others_go_through(
    running: Running, customer: httpx.Client
) -> None:
    buy = {"symbol": "AAPL", "side": "buy", "type": "market", "quantity": "1"}
    answer = customer.post("/api/v1/orders", json=buy)
    refused(answer, 503, "quotes_must_be_known")
    assert answer.headers["retry-after"] == "1"
    limited = customer.post("/api/v1/orders", json={**buy, "type": "limit", "limit_price": "1"})
    assert limited.status_code == 201
    assert customer.get("/api/v1/quotes").json() == {"items": [], "unknown": []}
    refused(customer.get("/api/v1/quotes/AAPL"), 503, "quotes_must_be_known")
