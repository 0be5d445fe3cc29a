"""What holds for every request and answer: ids, problems, limits; and that no body makes us fail."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Refusal
from interfaces.http.problems import status_of
from tests.http.running import Market, Running, order, refused

pytestmark = pytest.mark.usefixtures("market")


def test_every_answer_has_a_request_id_the_clients_when_it_is_one(somebody: httpx.Client) -> None:
    own = str(uuid4())
    for path in ("/health", "/api/v1/wallet/balance", "/api/v1/nothing", "/docs/openapi.json"):
        UUID(somebody.get(path).headers["x-request-id"])
        assert somebody.get(path, headers={"X-Request-Id": own}).headers["x-request-id"] == own
        for wrong in ("abc", "x" * 36, "'; drop table"):
            assert somebody.get(path, headers={"X-Request-Id": wrong}).headers["x-request-id"] != wrong


def test_request_ids_are_never_given_twice(somebody: httpx.Client) -> None:
    assert len({somebody.get("/api/v1/nothing").headers["x-request-id"] for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/api/v1/orders/not-an-id", "/api/v1/orders/", "/docs/nothing"]
)
def test_a_path_that_is_not_served_is_a_problem(somebody: httpx.Client, path: str) -> None:
    answer = somebody.get(path)
    if path == "/api/v1/orders/":  # the list, with a slash too many
        assert answer.status_code == 200
    elif path != "/docs/nothing":
        refused(answer, 404, "route_must_exist")
    else:
        assert answer.status_code == 404


def test_a_method_that_is_not_taken_is_a_problem_and_says_which_are(somebody: httpx.Client) -> None:
    answer = somebody.put("/api/v1/orders", json={})
    refused(answer, 405, "method_must_be_allowed")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"a":1}',
        b'"x"',
        b"[" * 60_000,
        b'{"amount":"1","amount2":"1"}',
    ],
)
def test_a_body_of_another_shape_is_a_problem_with_a_pointer(somebody: httpx.Client, body: bytes) -> None:
    answer = somebody.post("/api/v1/wallet/deposit", content=body)
    assert refused(answer, 400, "request_must_be_well_formed")["pointer"].startswith("#")


def test_a_body_is_at_most_64_kib_announced_or_not(somebody: httpx.Client) -> None:
    body = b'{"amount": "1"' + b" " * 65_536 + b"}"
    refused(somebody.post("/api/v1/wallet/deposit", content=body), 413, "body_must_be_small")
    chunks = (body[start : start + 5000] for start in range(0, len(body), 5000))
    refused(somebody.post("/api/v1/wallet/deposit", content=chunks), 413, "body_must_be_small")
    exactly = body[: 65_536 - 1] + b"}"
    assert somebody.post("/api/v1/wallet/deposit", content=exactly).status_code == 201


def test_the_api_describes_itself_without_the_internet(running: Running) -> None:
    with running.client() as client:
        found = client.get("/docs/openapi.json")
        description = found.json()
        page = client.get("/docs")
    assert found.status_code == page.status_code == 200
    place = description["paths"]["/api/v1/orders"]["post"]
    assert place["security"] == [{"bearer": []}]
    assert "requestBody" in place
    assert "security" not in description["paths"]["/api/v1/auth/login"]["post"]
    assert page.headers["content-type"].startswith("text/html")
    assert "/api/v1/orders" in page.text
    history = description["paths"]["/api/v1/portfolio/history"]["get"]
    names = [parameter["name"] for parameter in history["parameters"]]
    assert names == ["from", "to", "interval", "limit", "cursor", "min_position"]
    types = description["components"]["schemas"]
    assert {"EquityPoint", "WorthNow", "Statement", "Shares", "HolderView", "Deeds"} <= set(types)
    assert "<script" not in page.text


def test_health_is_open_and_says_how_each_part_is(running: Running) -> None:
    with running.client() as client:
        found = client.get("/health")
    assert found.status_code == 200
    assert {each["name"] for each in found.json()["dependencies"]} >= {"postgresql", "redis"}
    assert {each["name"] for each in found.json()["projections"]} >= {"balances", "orders"}


def test_every_refusal_has_a_status_of_its_own_choosing() -> None:
    def below(kind: type[Refusal]) -> set[type[Refusal]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    categories = {each: status_of(each) for each in below(Refusal) if each is not Refusal}
    assert set(categories.values()) <= {400, 401, 403, 404, 405, 409, 413, 422, 503}


def test_the_quotes_of_some_symbols_or_of_all(somebody: httpx.Client) -> None:
    some = somebody.get("/api/v1/quotes", params={"symbols": "msft, NOPE,MSFT"}).json()
    assert [each["symbol"] for each in some["items"]] == ["MSFT"]
    assert some["unknown"] == ["NOPE"]
    everything = somebody.get("/api/v1/quotes").json()
    assert [each["symbol"] for each in everything["items"]] == ["AAPL", "MSFT"]
    assert everything["items"][0]["ask"] == "100.10"
    refused(somebody.get("/api/v1/quotes/a%20b"), 422, "symbol_must_be_well_formed")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from(
        ["AAPL", "buy", "sell", "market", "limit", "stop", "day", "ioc", "1", "0.01", "\x00", "1e9"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
AS_ORDER = st.fixed_dictionaries(
    dict.fromkeys(("symbol", "side", "type", "quantity"), JSON),
    optional=dict.fromkeys(("limit_price", "stop_price", "time_in_force", "client_order_id", "more"), JSON),
)
ALMOST_AN_ORDER = st.builds(
    lambda name, value: {**order(), name: value},
    st.sampled_from(["symbol", "side", "type", "quantity", "limit_price", "stop_price", "client_order_id"]),
    JSON,
)
BODIES = st.one_of(
    JSON,
    AS_ORDER,
    ALMOST_AN_ORDER,
    st.fixed_dictionaries({"amount": JSON, "reason": JSON}),
    st.fixed_dictionaries({"amount": JSON}),
)
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(body=BODIES, path=st.sampled_from(["orders", "wallet/deposit", "wallet/withdraw"]))
def test_no_json_makes_us_fail(somebody: httpx.Client, market: Market, body: Any, path: str) -> None:
    answer = somebody.post(f"/api/v1/{path}", content=json.dumps(body), headers={"Prefer": "respond-async"})
    assert answer.status_code < 500, (answer.text, body)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


@FUZZ
@given(body=st.binary(max_size=60))
def test_no_bytes_make_us_fail(somebody: httpx.Client, body: bytes) -> None:
    answer = somebody.post("/api/v1/orders", content=body)
    assert answer.status_code == 400, answer.text


@FUZZ
@given(
    name=st.sampled_from(
        [
            *("status", "symbol", "limit", "cursor", "min_position", "at", "log_position"),
            *("from", "to", "interval"),
        ]
    ),
    value=st.text(max_size=30),
    path=st.sampled_from(
        ["orders", "account/as-of", "wallet/transactions", "quotes", "portfolio/history", "statements"]
    ),
)
def test_no_parameter_makes_us_fail(somebody: httpx.Client, name: str, value: str, path: str) -> None:
    if name == "min_position" and value.isdigit():
        return  # it would wait for it
    answer = somebody.get(f"/api/v1/{path}", params={name: value})
    assert answer.status_code < 500, (answer.text, name, value)


@FUZZ
@given(
    span=st.datetimes() | st.dates() | st.just("0001-01-01T00:00:00+14:00"),
    offset=st.sampled_from(["", "Z", "-23:59", "+14:00"]),
    interval=st.sampled_from(["minute", "hour", "day", "week", "month", "year"]),
)
def test_no_span_of_time_makes_us_fail(somebody: httpx.Client, span: Any, offset: str, interval: str) -> None:
    text = span if isinstance(span, str) else span.isoformat() + offset
    for parameters in ({"from": text, "interval": interval}, {"to": text, "interval": interval}):
        answer = somebody.get("/api/v1/portfolio/history", params=parameters)
        assert answer.status_code in (200, 422), (answer.text, parameters)
    assert somebody.get(f"/api/v1/statements/{text}").status_code in (200, 404, 422), text


@FUZZ
@given(
    email=st.text(max_size=20) | st.sampled_from(["a@b.c", "\x00@b.c", "a@b.c\x00"]),
    password=st.text(max_size=9),
    full_name=st.text(max_size=10),
)
def test_no_registration_makes_us_fail(
    somebody: httpx.Client, email: str, password: str, full_name: str
) -> None:
    body = {"email": email, "password": password, "full_name": full_name}
    assert somebody.post("/api/v1/auth/register", json=body).status_code in (409, 422)
