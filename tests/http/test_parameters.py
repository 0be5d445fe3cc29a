"""Query parameters: what a route does not have is refused by its name, and what is wrong is named as outside."""

from contextlib import closing
from typing import Any

import httpx
import pytest

from interfaces.http.app import litestar_app
from interfaces.http.parameters import declared_by
from tests.http.running import Market, Running, order, refused


@pytest.mark.parametrize(
    "path", ["/health", "/metrics", "/api/v1/wallet/balance", "/api/v1/orders", "/api/v1/transfers"]
)
def test_a_parameter_that_a_route_does_not_have_is_refused(running: Running, path: str) -> None:
    with closing(running.customer()) as client:
        problem = refused(client.get(path, params={"accout_id": "7"}), 400, "request_must_be_well_formed")

        assert problem["parameter"] == "accout_id"
        assert client.get(path).status_code == 200


def test_it_is_refused_on_the_direct_way_too(running: Running, market: Market) -> None:
    with closing(running.customer("1000.00")) as client:
        problem = refused(
            client.post("/api/v1/orders?dry_run=true", json=order()), 400, "request_must_be_well_formed"
        )

        assert problem["parameter"] == "dry_run"
        assert "it has none" in problem["detail"]
        assert client.get("/api/v1/orders").json()["items"] == []


def test_who_may_not_pass_learns_nothing_of_parameters(running: Running) -> None:
    with closing(running.client()) as stranger:
        refused(stranger.get("/api/v1/orders?x=1"), 401, "login_must_be_valid")


@pytest.mark.parametrize("query", ["?format=xls", "", "?from=2026-01-01"])
def test_a_wrong_or_missing_parameter_has_its_outer_name(running: Running, query: str) -> None:
    with closing(running.customer()) as client:
        answer = client.get(f"/api/v1/journal/export{query}")

        problem = refused(answer, 400, "request_must_be_well_formed")
        assert problem["parameter"] == "format"
        assert "format_" not in problem["detail"]


def test_every_route_has_the_parameters_that_are_described() -> None:
    app = litestar_app()
    described: dict[str, Any] = app.openapi_schema.to_schema()["paths"]
    compared = 0
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            for method in handler.http_methods & {"GET", "POST", "PUT", "DELETE", "PATCH"}:
                about = described.get(handler_path(route.path), {}).get(method.lower())
                if about is None:
                    continue
                names = {one["name"] for one in about.get("parameters", []) if one["in"] == "query"}
                assert set(declared_by(handler).values()) == names, (method, route.path)
                compared += 1
    assert compared > 60


def handler_path(path: str) -> str:
    """A route's path as it is described: without the types of its parts."""
    return "/".join(
        "{" + part[1:].split(":")[0] + "}" if part[:1] == "{" else part for part in path.split("/")
    )


def test_what_is_known_is_still_taken(customer: httpx.Client) -> None:
    assert customer.get("/api/v1/orders", params={"limit": 3, "status": "open"}).status_code == 200
