"""The audit: refused commands, log-ins, and who looked at whom, found again by one search."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from pyarrow import BufferReader, parquet

from tests.http.running import PASSWORD, Market, Running, order, refused, until

Staff = dict[str, httpx.Client]
Opening = Callable[..., tuple[dict[str, Any], httpx.Client, str]]
AUDIT = "/api/v1/compliance/audit"


def found(client: httpx.Client, **sought: Any) -> list[dict[str, Any]]:
    """Everything that a search finds, page after page."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(AUDIT, params={**sought, **cursor})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return items
        cursor = {"cursor": answer.json()["next_cursor"]}


def soon(client: httpx.Client, **sought: Any) -> list[dict[str, Any]]:
    """The same once there is something: what customers are refused is written a little later."""
    return until(lambda: found(client, **sought))  # type: ignore[no-any-return]


@pytest.fixture
def an_account(running: Running) -> Iterator[Opening]:
    """Opens accounts with so many dollars: ids, a client and the e-mail address of each."""
    clients: list[httpx.Client] = []

    def opened(cash: str = "1000.00") -> tuple[dict[str, Any], httpx.Client, str]:
        email, ids = running.register()
        client = running.client(running.log_in(email)["access_token"], **{"User-Agent": "a browser"})
        clients.append(client)
        assert client.post("/api/v1/wallet/deposit", json={"amount": cash}).status_code == 201
        return ids, client, email

    yield opened
    for client in clients:
        client.close()


def test_who_looked_at_whom_is_found_in_the_audit_itself(
    running: Running, staff: Staff, an_account: Opening
) -> None:
    ids, client, _ = an_account()
    account_id = ids["account_id"]
    position = client.get("/api/v1/wallet/balance").headers["daybook-position"]
    url = f"/api/v1/compliance/accounts/{account_id}/as-of?log_position={position}"
    assert staff["compliance"].get(url, headers={"User-Agent": "desk"}).status_code == 200

    (look,) = found(
        staff["admin"], account_id=account_id, type="GET /api/v1/compliance/accounts/{account_id}/as-of"
    )

    assert (look["kind"], look["role"], look["account_id"]) == ("look_up", "compliance", account_id)
    assert (look["address"], look["agent"]) == ("127.0.0.1", "desk")
    assert look["answer"] == {"status": 200}
    assert look["request"]["query"] == {"log_position": position}
    again = found(staff["compliance"], account_id=account_id, actor=look["actor"], kind="look_up")
    assert look in again


def test_a_look_at_a_list_is_found_under_everybody_it_showed(
    running: Running, staff: Staff, an_account: Opening
) -> None:
    ids, _client, _ = an_account()
    until(lambda: found(staff["admin"], account_id=ids["account_id"], kind="event"))
    person = f"/api/v1/compliance/people/{ids['user_id']}"
    assert staff["compliance"].get(f"{AUDIT}?limit=5&kind=event").status_code == 200
    assert staff["compliance"].get(person).status_code == 200

    looks = found(staff["admin"], account_id=ids["account_id"], kind="look_up")

    assert {each["topic"] for each in looks} >= {f"GET {AUDIT}", "GET /api/v1/compliance/people/{user_id}"}


def test_a_refused_order_is_found_with_its_code_and_where_it_came_from(
    running: Running, staff: Staff, market: Market, an_account: Opening
) -> None:
    ids, client, _ = an_account()
    headers = {"Idempotency-Key": "once", "X-Correlation-Id": str(uuid4())}
    unlisted = client.post("/api/v1/orders", json=order(symbol="NOPE"), headers=headers)
    refused(unlisted, 422, "symbol_must_be_listed")
    refused(client.post("/api/v1/orders", json=order(limit_price=None)), 422, "order_terms_must_fit_its_type")
    refused(client.delete(f"/api/v1/orders/{uuid4()}"), 404, "order_must_exist")
    refused(client.post("/api/v1/orders", json=order(limit_price=1.5)), 400, "request_must_be_well_formed")
    too_dear = client.post("/api/v1/orders", json=order(quantity="1000"))
    refused(too_dear, 422, "available_cash_must_cover_order")

    until(lambda: len(found(staff["admin"], account_id=ids["account_id"], kind="refused")) == 4)
    by_code = {
        each["code"]: each for each in found(staff["admin"], account_id=ids["account_id"], kind="refused")
    }

    nope = by_code["symbol_must_be_listed"]
    assert (nope["topic"], nope["symbol"], nope["actor"]) == ("PlaceOrder", "NOPE", ids["user_id"])
    assert (nope["address"], nope["agent"]) == ("127.0.0.1", "a browser")
    assert (nope["idempotency_key"], nope["correlation_id"]) == ("once", headers["X-Correlation-Id"])
    assert nope["request_id"] == unlisted.headers["x-request-id"]
    assert nope["request"]["body"]["quantity"] == "10"
    terms = by_code["order_terms_must_fit_its_type"]
    assert (terms["topic"], terms["request"]["symbol"], terms["answer"]["status"]) == (
        "PlaceOrder",
        "AAPL",
        422,
    )
    assert by_code["order_must_exist"]["topic"] == "CancelOrder"
    assert by_code["request_must_be_well_formed"]["topic"] == "PlaceOrder"
    # What a rule of the trade refused is an event, with its code.
    (rejected,) = soon(staff["admin"], account_id=ids["account_id"], code="available_cash_must_cover_order")
    assert (rejected["kind"], rejected["topic"]) == ("event", "Order.Rejected")
    assert rejected["order_id"] == too_dear.json()["order_id"]
    assert found(staff["admin"], symbol="NOPE", account_id=ids["account_id"]) == [nope]


def test_what_succeeds_writes_no_deed(
    running: Running, staff: Staff, market: Market, an_account: Opening
) -> None:
    ids, client, _ = an_account()
    placed = client.post("/api/v1/orders", json=order(quantity="1"), headers={"Idempotency-Key": "kept"})
    assert placed.status_code == 201
    changed = client.patch(f"/api/v1/orders/{placed.json()['order_id']}", json={"quantity": "2"})
    assert changed.status_code == 200

    events = until(lambda: _at_least(5, found(staff["admin"], account_id=ids["account_id"], kind="event")))

    assert all(each["kind"] in ("event", "log_in") for each in found(staff["admin"], actor=ids["user_id"]))
    of_order = next(each for each in events if each["topic"] == "Order.Placed")
    assert of_order["answer"]["order"]["order_id"] == placed.json()["order_id"]  # by its idempotency key
    assert of_order["fact"]["terms"]["symbol"] == "AAPL"
    by_symbol = found(staff["admin"], account_id=ids["account_id"], symbol="AAPL", kind="event")
    assert {"Order.Placed", "Order.Replaced"} <= {each["topic"] for each in by_symbol}
    by_order = found(staff["admin"], order_id=placed.json()["order_id"], kind="event")
    assert {"Account.FundsHeld", "Order.Placed", "Order.Replaced"} <= {each["topic"] for each in by_order}


def test_a_failed_log_in_is_found_without_its_address_in_the_clear(
    running: Running, staff: Staff, an_account: Opening
) -> None:
    ids, client, email = an_account()
    with running.client(None, **{"User-Agent": "a burglar"}) as stranger:
        wrong = {"email": email, "password": "not the password"}
        refused(stranger.post("/api/v1/auth/login", json=wrong), 401, "credentials_must_be_right")
        nobody = {"email": "Nobody.At.All@example.com", "password": "not the password"}
        refused(stranger.post("/api/v1/auth/login", json=nobody), 401, "credentials_must_be_right")

    (tried,) = soon(staff["admin"], account_id=ids["account_id"], kind="log_in_refused")

    assert (tried["actor"], tried["role"], tried["agent"]) == ("visitor", "visitor", "a burglar")
    assert ids["user_id"] in tried["about"]
    assert tried["request"]["body"] == {"email": "redacted", "password": "redacted"}
    assert len(found(staff["admin"], kind="log_in", actor=ids["user_id"])) == 1
    assert client.post("/api/v1/auth/logout").status_code == 204
    assert soon(staff["admin"], kind="log_out", actor=ids["user_id"])
    with psycopg.connect(running.settings.owner_database_url or "") as connection:
        texts = str(connection.execute("SELECT d::text FROM deeds d").fetchall()).lower()
    for secret in (email.lower(), "nobody.at.all", "not the password", PASSWORD, "burglar", "127.0.0.1"):
        assert secret not in texts


def test_a_customer_who_tries_what_is_for_staff_is_noted(
    running: Running, staff: Staff, an_account: Opening
) -> None:
    ids, client, _ = an_account()
    refused(client.get(AUDIT), 403, "role_must_allow")
    (tried,) = soon(staff["admin"], actor=ids["user_id"], code="role_must_allow")
    assert (tried["kind"], tried["topic"], tried["role"]) == ("refused", f"GET {AUDIT}", "customer")


def test_all_that_a_member_of_staff_did_in_a_day(running: Running, staff: Staff, an_account: Opening) -> None:
    ids, _client, _ = an_account()
    url = f"/api/v1/admin/accounts/{ids['account_id']}"
    assert staff["admin"].post(f"{url}/suspend", json={"reason": "by J. Smith of the third floor"}).is_success
    refused(staff["admin"].post(f"{url}/close"), 409, "account_must_be_empty")
    until(lambda: found(staff["compliance"], account_id=ids["account_id"], type="Account.Suspended"))
    (suspended,) = found(staff["compliance"], account_id=ids["account_id"], kind="act")
    day = suspended["at"][:10]

    did = found(staff["compliance"], actor=suspended["actor"], **{"from": day, "to": day})

    about = [each for each in did if each["account_id"] == ids["account_id"]]
    assert {"Account.Suspended", "CloseAccount"} <= {each["topic"] for each in about}
    assert suspended["request"]["body"] == {"reason": "redacted"}
    assert suspended["topic"] == "POST /api/v1/admin/accounts/{account_id}/suspend"
    before = found(staff["compliance"], actor=suspended["actor"], to="2020-01-01")
    assert before == []


def test_pages_stay_as_they_are_while_more_is_written(
    running: Running, staff: Staff, market: Market, an_account: Opening
) -> None:
    ids, client, _ = an_account()
    for number in range(7):
        refused(client.delete(f"/api/v1/orders/{uuid4()}"), 404, "order_must_exist")
        assert client.post("/api/v1/wallet/deposit", json={"amount": f"{number + 1}.00"}).status_code == 201
    sought = {"account_id": ids["account_id"], "actor": ids["user_id"]}
    until(lambda: len(found(staff["admin"], **sought)) >= 15)
    whole = found(staff["admin"], **sought)

    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while not items or cursor:
        answer = staff["admin"].get(
            AUDIT, params={**sought, "limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        items += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        client.delete(f"/api/v1/orders/{uuid4()}")
        client.post("/api/v1/wallet/deposit", json={"amount": "1.00"})

    assert items == whole
    places = [(each["log_position"], each["number"]) for each in items]
    assert places == sorted(places, reverse=True)


@pytest.mark.parametrize("wanted", ["csv", "jsonl", "parquet"])
def test_a_file_has_what_the_search_finds(
    running: Running, staff: Staff, market: Market, wanted: str, an_account: Opening
) -> None:
    ids, client, _ = an_account()
    refused(client.delete(f"/api/v1/orders/{uuid4()}"), 404, "order_must_exist")
    assert client.post("/api/v1/orders", json=order(quantity="1")).status_code == 201
    sought = {"account_id": ids["account_id"], "actor": ids["user_id"]}
    until(lambda: len(found(staff["admin"], **sought)) >= 6)

    answer = staff["compliance"].get(f"{AUDIT}/export", params={**sought, "format": wanted})

    assert answer.status_code == 200, answer.text
    whole = found(staff["admin"], **sought)
    if wanted == "jsonl":
        assert [json.loads(line) for line in answer.text.splitlines()] == whole
    elif wanted == "csv":
        lines = list(csv.DictReader(io.StringIO(answer.text)))
        assert [each["topic"] for each in lines] == [each["topic"] for each in whole]
        assert [each["code"] or None for each in lines] == [each["code"] for each in whole]
    else:
        rows = parquet.read_table(BufferReader(answer.content)).to_pylist()
        assert [each["text"] for each in rows] == [each["text"] for each in whole]
        assert [json.loads(each["fact"]) if each["fact"] else None for each in rows] == [
            each["fact"] for each in whole
        ]
    (exported,) = found(staff["admin"], account_id=ids["account_id"], kind="export", text=wanted)
    assert exported["request"]["query"]["format"] == wanted


def test_words_are_found_and_their_signs_taken_as_they_are(
    running: Running, staff: Staff, an_account: Opening
) -> None:
    ids, _client, _ = an_account("4321.00")
    (deposit,) = soon(staff["admin"], account_id=ids["account_id"], text="DEPOSITED 4321", kind="event")
    assert deposit["topic"] == "Account.Deposited"
    assert found(staff["admin"], account_id=ids["account_id"], text="4%1", kind="event") == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("cursor=x", 422, "cursor_must_be_from_a_page"),
        ("cursor=YXVkaXQ6MS54", 422, "cursor_must_be_from_a_page"),
        ("from=yesterday", 422, "instant_must_be_well_formed"),
        ("kind=gossip", 400, "request_must_be_well_formed"),
        ("symbol=a b", 422, "symbol_must_be_well_formed"),
        ("text=%00", 400, "request_must_be_well_formed"),
    ],
)
def test_a_search_that_cannot_be_meant_is_refused_and_noted(
    staff: Staff, query: str, status: int, code: str
) -> None:
    refused(staff["compliance"].get(f"{AUDIT}?{query}"), status, code)
    assert found(staff["admin"], kind="refused", code=code, type=f"GET {AUDIT}")


@pytest.mark.parametrize("statement", ["UPDATE deeds SET actor = 'x'", "DELETE FROM deeds", "TRUNCATE deeds"])
def test_deeds_cannot_be_changed(running: Running, staff: Staff, statement: str) -> None:
    for url in (running.settings.database_url, running.settings.owner_database_url):
        with psycopg.connect(url or "") as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())


def test_staff_see_nothing_that_cannot_be_written_down_and_customers_go_on(
    running: Running, staff: Staff, market: Market, an_account: Opening
) -> None:
    _ids, client, _ = an_account()
    with psycopg.connect(running.settings.owner_database_url or "", autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON deeds FROM daybook_app")
        try:
            answer = staff["compliance"].get(AUDIT)
            assert "items" not in refused(answer, 503, "deeds_must_be_kept")
            assert answer.headers["retry-after"] == "1"
            assert client.post("/api/v1/orders", json=order(quantity="1")).status_code == 201
            refused(client.delete(f"/api/v1/orders/{uuid4()}"), 404, "order_must_exist")
        finally:
            owner.execute("GRANT INSERT ON deeds TO daybook_app")
    assert staff["compliance"].get(AUDIT).status_code == 200


def _at_least(number: int, some: list[Any]) -> list[Any]:
    return some if len(some) >= number else []


def test_a_day_by_the_names_of_the_consolidated_audit_trail(
    running: Running, staff: Staff, market: Market
) -> None:
    with closing(running.customer("10000.00")) as client:
        placed = client.post("/api/v1/orders", json=order(quantity="3", client_order_id="mine")).json()
        order_id = placed["order_id"]
        client.patch(f"/api/v1/orders/{order_id}", json={"quantity": "2", "limit_price": "91.5"})
        client.delete(f"/api/v1/orders/{order_id}")
        entry = soon(staff["admin"], order_id=order_id, type="Order.Cancelled")[0]
    at = datetime.fromisoformat(entry["at"]).astimezone(ZoneInfo("America/New_York"))

    answer = staff["compliance"].get("/api/v1/compliance/cat", params={"date": str(at.date())})

    lines = [json.loads(line) for line in answer.text.splitlines()]
    new, modified, cancelled = [each for each in lines if each.get("orderID") == order_id]
    assert [each["type"] for each in (new, modified, cancelled)] == ["MENO", "MEOM", "MEOC"]
    assert (new["symbol"], new["side"], new["quantity"], new["price"]) == ("AAPL", "B", 3, 90)
    assert (new["orderType"], new["timeInForce"]) == ("LMT", f"DAY={at:%Y%m%d}")
    assert (modified["quantity"], modified["price"], modified["leavesQty"]) == (2, 91.5, 2)
    assert (cancelled["cancelQty"], cancelled["initiator"]) == (2, "C")
    assert cancelled["eventTimestamp"] == f"{at:%Y%m%dT%H%M%S.%f}"
    assert new["firmROEID"].startswith(f"{at:%Y%m%d}_")
    refused(staff["compliance"].get("/api/v1/compliance/cat?date=x"), 422, "instant_must_be_well_formed")
    assert soon(staff["admin"], kind="export", type="GET /api/v1/compliance/cat")


def test_a_search_without_any_time_in_it_is_refused(staff: Staff) -> None:
    answer = staff["compliance"].get(AUDIT, params={"from": "2026-11-21", "to": "2026-11-20"})
    refused(answer, 422, "instant_must_be_well_formed")
    assert staff["compliance"].get(AUDIT, params={"from": "2026-11-21", "to": "2026-11-21"}).is_success


def test_an_actor_is_an_id_or_a_name_never_an_address(staff: Staff, an_account: Opening) -> None:
    ids, _, _ = an_account()
    assert soon(staff["compliance"], actor=str(ids["user_id"]).upper())
    for wrong in ("alice@example.com", "Operator", "1", "ä"):
        answer = staff["compliance"].get(AUDIT, params={"actor": wrong})
        refused(answer, 400, "request_must_be_well_formed")
