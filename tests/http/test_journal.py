"""The books over HTTP: postings in pages, the trial balance, files for outside tools."""

from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.running import Running, refused, until

Staff = dict[str, httpx.Client]


def deposited(running: Running, *amounts: str) -> tuple[dict[str, Any], httpx.Client, str]:
    email, ids = running.register()
    client = running.client(running.log_in(email)["access_token"])
    for amount in amounts:
        answer = client.post("/api/v1/wallet/deposit", json={"amount": amount})
    return ids, client, answer.headers["daybook-position"]


def test_a_customer_reads_the_own_book_with_running_balances(running: Running) -> None:
    ids, client, _ = deposited(running, "100.00", "20.50")
    with closing(client):
        page = client.get("/api/v1/journal", params={"account": "Assets:Cust"}).json()

    rows = page["items"]
    assert [(row["amount"], row["balance"]) for row in rows] == [("20.50", "120.50"), ("100.00", "100.00")]
    assert {row["account"] for row in rows} == {f"Assets:Cust:C{ids['account_id']}:Cash:Free"}
    assert {row["book"] for row in rows} == {"C"}
    assert {row["event"] for row in rows} == {"Account.Deposited"}


def test_the_journal_comes_in_pages_that_split_events(running: Running, staff: Staff) -> None:
    ids, client, position = deposited(running, "1.00", "2.00", "3.00")
    client.close()
    asked: dict[str, Any] = {"account_id": ids["account_id"], "limit": 3, "min_position": position}
    found: list[Any] = []
    while True:
        page = staff["compliance"].get("/api/v1/compliance/journal", params=asked).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]

    assert len(found) == 12
    places = [(row["log_position"], row["line"]) for row in found]
    assert places == sorted(set(places), reverse=True)
    sums: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for row in found:
        sums[row["log_position"], row["book"]] += Decimal(row["amount"])
    assert set(sums.values()) == {Decimal(0)}


def test_the_journal_narrows_by_book_day_and_account(running: Running, staff: Staff) -> None:
    ids, client, position = deposited(running, "1.00")
    client.close()
    asked = {"account_id": ids["account_id"], "min_position": position}

    def count(**more: str) -> int:
        answer = staff["admin"].get("/api/v1/compliance/journal", params={**asked, **more})
        return len(answer.json()["items"])

    today = staff["admin"].get("/api/v1/compliance/journal", params=asked).json()["items"][0]["booked_on"]
    assert count() == 4
    assert count(book="F") == 2
    assert count(account="Assets:Firm:Bank") == 1
    assert count(**{"from": today, "to": today}) == 4
    assert count(to="2001-01-01") == 0
    assert staff["admin"].get("/api/v1/compliance/journal", params={"account": "Assets:"}).json()["items"]


def test_the_trial_balance_is_zero_in_every_book(running: Running, staff: Staff) -> None:
    ids, client, position = deposited(running, "70.00")
    client.close()

    found = (
        staff["compliance"].get("/api/v1/compliance/trial-balance", params={"min_position": position}).json()
    )
    own = (
        staff["compliance"]
        .get("/api/v1/compliance/trial-balance", params={"account_id": ids["account_id"]})
        .json()
    )

    assert {Decimal(book["balance"]) for book in found["books"]} == {Decimal(0)}
    assert {(line["account"], line["balance"]) for line in own["accounts"]} == {
        ("Assets:Cust:C:Cash:Free", "70.00"),
        ("Equity:Cust:C:External", "-70.00"),
        ("Assets:Firm:Bank:FBO", "70.00"),
        ("Liabilities:Firm:Cust:C:FreeCredit", "-70.00"),
    }


@pytest.mark.parametrize("form", ["beancount", "hledger", "csv", "parquet"])
def test_a_customer_downloads_the_own_book_alone(running: Running, form: str) -> None:
    ids, client, _ = deposited(running, "12.34")
    with closing(client):
        answer = client.get("/api/v1/journal/export", params={"format": form})

    assert answer.status_code == 200
    assert "daybook-books." in answer.headers["content-disposition"]
    assert b"Firm" not in answer.content
    if form != "parquet":
        assert ids["account_id"].encode() in answer.content
        assert b"12.34" in answer.content
    else:
        assert answer.content[:4] == answer.content[-4:] == b"PAR1"


def test_staff_download_all_books_and_a_customer_may_not(running: Running, staff: Staff) -> None:
    ids, client, _ = deposited(running, "5.00")
    path, form = "/api/v1/compliance/journal/export", {"format": "beancount"}
    with closing(client):
        assert client.get(path, params=form).status_code == 403
        assert client.get("/api/v1/compliance/journal").status_code == 403

    answer = staff["compliance"].get(path, params={**form, "account_id": ids["account_id"]})

    assert answer.status_code == 200
    assert "Assets:Firm:Bank:FBO" in answer.text
    assert staff["compliance"].get(path, params=form).text.count("Account.Deposited") == 0


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"format": "beancount", "account_id": str(uuid4())}, 404, "account_must_exist"),
        ({"format": "csv", "as_known_at": "2999-01-01T00:00:00Z"}, 422, "instant_must_be_well_formed"),
        ({"format": "csv", "from": "2026-02-30"}, 422, "instant_must_be_well_formed"),
        ({"format": "csv", "from": "2026-03-02", "to": "2026-03-01"}, 422, "instant_must_be_well_formed"),
        ({"format": "xlsx"}, 400, "request_must_be_well_formed"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    staff: Staff, parameters: dict[str, str], status: int, code: str
) -> None:
    answer = staff["admin"].get("/api/v1/compliance/journal/export", params=parameters)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_download_that_nobody_reads_to_the_end_lets_the_next_begin(running: Running, staff: Staff) -> None:
    for _ in range(8):
        with staff["admin"].stream(
            "GET", "/api/v1/compliance/journal/export", params={"format": "csv"}
        ) as answer:
            assert answer.status_code in (200, 503)
    path = "/api/v1/compliance/journal/export"
    until(lambda: staff["admin"].get(path, params={"format": "csv"}).status_code == 200)


def test_health_tells_how_far_the_books_hold(running: Running) -> None:
    _, client, position = deposited(running, "9.00")

    def watched() -> Any:
        return client.get("/health").json()["books"]

    with closing(client):
        until(lambda: watched() is not None and watched()["position"] >= int(position))
        assert watched()["books"] == "ok"
        assert watched()["violation"] is None


@pytest.mark.parametrize("cursor", ["x", "am91cm5hbDp4", "am91cm5hbDoxLg"])
def test_a_cursor_of_another_list_is_refused(staff: Staff, cursor: str) -> None:
    answer = staff["admin"].get("/api/v1/compliance/journal", params={"cursor": cursor})

    assert answer.json()["code"] == "cursor_must_be_from_a_page"


@pytest.mark.parametrize("path", ["trial-balance", "journal", "audit", "transfers"])
def test_what_is_asked_of_an_account_that_is_not_there_is_not_empty_but_refused(
    running: Running, staff: Staff, path: str
) -> None:
    _, ids = running.register()
    there, nowhere = ({"account_id": one} for one in (ids["account_id"], str(uuid4())))

    refused(staff["compliance"].get(f"/api/v1/compliance/{path}", params=nowhere), 404, "account_must_exist")

    assert staff["compliance"].get(f"/api/v1/compliance/{path}", params=there).status_code == 200
