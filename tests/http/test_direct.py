"""The most frequent requests go straight to their route's function, orders when their length is announced and reads when
they have no query; else through Litestar: with one outcome.
"""

from contextlib import closing
from inspect import Parameter, signature
from typing import Any

import httpx
import pytest

from interfaces.http.app import FREQUENT, litestar_app
from interfaces.http.direct import Direct, takes_body
from tests.http.running import Market, Running

ORDER = (
    b'{"symbol":"AAPL","side":"buy","type":"limit","quantity":"1","limit_price":"1.00","time_in_force":"gtc"}'
)
ITS_OWN = {"order_id", "log_position", "placed_at", "ended_at", "instance"}


def both(client: httpx.Client, body: bytes, **headers: str) -> list[tuple[int, set[str], dict[str, Any]]]:
    """Status, names of the headers, and body without what is each answer's own: directly, then through Litestar."""
    told = [client.post("/api/v1/orders", content=sent, headers=headers) for sent in (body, iter([body]))]
    assert [("content-length" in answer.request.headers) for answer in told] == [True, False]
    return [
        (
            answer.status_code,
            set(answer.headers),
            {k: v for k, v in answer.json().items() if k not in ITS_OWN},
        )
        for answer in told
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ORDER, 201),
        (ORDER.replace(b'"1.00"', b'"99999999.00"'), 422),
        (ORDER.replace(b'"quantity":"1"', b'"quantity":"1000000"'), 422),
        (ORDER.replace(b'"AAPL"', b'"NONE"'), 422),
        (ORDER.replace(b'"limit"', b'"market"'), 422),
        (ORDER.replace(b'"1.00"', b"1.00"), 400),
        (ORDER[:-1], 400),
        (ORDER.replace(b"}", b',"more":1}'), 400),
        (b"null", 400),
        (b"\xff", 400),
        (b" " * 65_537, 413),
    ],
)
def test_the_way_makes_no_difference(
    market: Market, somebody: httpx.Client, body: bytes, status: int
) -> None:
    direct, through_litestar = both(somebody, body)

    assert direct == through_litestar
    assert direct[0] == status


def test_who_may_not_place_orders_is_told_the_same(
    market: Market, running: Running, staff: dict[str, httpx.Client]
) -> None:
    with closing(running.client()) as nobody, closing(running.client("wrong")) as stranger:
        found = [both(client, ORDER) for client in (nobody, stranger, staff["admin"])]

    assert [direct[0] for direct, _ in found] == [401, 401, 403]
    assert all(direct == through_litestar for direct, through_litestar in found)


def test_a_key_is_one_order_whichever_way_it_comes(market: Market, somebody: httpx.Client) -> None:
    ways = [
        somebody.post("/api/v1/orders", content=sent, headers={"Idempotency-Key": "direct-1"})
        for sent in (ORDER, iter([ORDER]), ORDER)
    ]

    assert [answer.status_code for answer in ways] == [201] * 3
    assert len({answer.content for answer in ways}) == 1


@pytest.mark.parametrize("path", ["/wallet/balance", "/portfolio"])
def test_a_read_without_a_query_is_answered_as_one_with_a_query(
    market: Market, running: Running, somebody: httpx.Client, staff: dict[str, httpx.Client], path: str
) -> None:
    with closing(running.client()) as nobody, closing(running.client("wrong")) as stranger:
        for client, status in ((somebody, 200), (nobody, 401), (stranger, 401), (staff["admin"], 403)):
            direct, through_litestar = (
                client.get(f"/api/v1{path}{query}") for query in ("", "?min_position=0")
            )

            assert direct.status_code == through_litestar.status_code == status
            assert set(direct.headers) == set(through_litestar.headers)
            assert _general(direct) == _general(through_litestar)


def test_a_read_of_an_account_that_is_not_opened_is_refused_either_way(running: Running) -> None:
    email, _ = running.register()
    with closing(running.client(running.log_in(email)["access_token"])) as client:
        found = [client.get(f"/api/v1/portfolio{query}") for query in ("", "?min_position=0")]

    assert found[0].status_code == found[1].status_code
    assert _general(found[0]) == _general(found[1])


def _general(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name not in ITS_OWN}


def test_every_frequent_route_takes_the_request_a_body_and_what_has_a_default() -> None:
    handlers = Direct(litestar_app(), FREQUENT)._handlers

    for handler in handlers.values():
        parameters = dict(signature(handler.fn).parameters)
        del parameters["request"]
        parameters.pop("data", None)
        assert all(each.default is not Parameter.empty for each in parameters.values())
    assert {method for (method, _), handler in handlers.items() if takes_body(handler)} == {"POST"}
