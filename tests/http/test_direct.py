"""Orders go straight to their route's function when their length is announced, else through Litestar: with one outcome."""

from contextlib import closing
from typing import Any

import httpx
import pytest

from interfaces.http.app import FREQUENT, litestar_app
from interfaces.http.direct import Direct
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


def test_every_frequent_route_takes_the_request_and_a_body_and_nothing_else() -> None:
    handlers = Direct(litestar_app(), FREQUENT)._handlers

    assert all(
        set(handler.parsed_fn_signature.parameters) == {"request", "data"} for handler in handlers.values()
    )
    assert all(handler.status_code == 201 for handler in handlers.values())
