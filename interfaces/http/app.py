"""Puts the routes together into the ASGI application of the API."""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Router
from litestar.types import ASGIApp

from infrastructure.wiring.api import ApiParts
from interfaces.http import (
    account,
    admin,
    approvals,
    audit,
    auth,
    cases,
    compliance,
    corporate_actions,
    estimates,
    firm,
    health,
    history,
    journal,
    metrics,
    orders,
    portfolio,
    projections_care,
    quotes,
    reversals,
    settlements,
    statements,
    tax,
    transfers,
    wallet,
)
from interfaces.http.call import LARGEST_BODY, Call
from interfaces.http.desk import Desk
from interfaces.http.direct import Direct
from interfaces.http.docs import BEARER, openapi
from interfaces.http.entrance import Entrance, admit
from interfaces.http.problems import HANDLERS
from interfaces.http.replies import Reply

FREQUENT = [
    ("POST", "/api/v1/orders"),
    ("GET", "/api/v1/wallet/balance"),
    ("GET", "/api/v1/portfolio"),
]

WITH_LOGIN = (
    wallet,
    transfers,
    tax,
    account,
    orders,
    estimates,
    portfolio,
    history,
    journal,
    statements,
    settlements,
    quotes,
    audit,
    compliance,
    corporate_actions,
    firm,
    admin,
    projections_care,
    reversals,
    approvals,
    cases,
)


def litestar_app(more: Sequence[Any] = ()) -> Litestar:
    """Every route, behind its roles. `more` are route handlers of other interfaces."""
    with_login = [*auth.ROUTES_WITH_LOGIN, *(route for resource in WITH_LOGIN for route in resource.ROUTES)]
    return Litestar(
        route_handlers=[
            Router("/api/v1", route_handlers=auth.ROUTES, tags=["login"], response_class=Reply),
            Router("/api/v1", route_handlers=with_login, security=[BEARER], response_class=Reply),
            *health.ROUTES,
            *metrics.ROUTES,
            *more,
        ],
        request_class=Call,
        before_request=admit,
        exception_handlers=HANDLERS,
        request_max_body_size=LARGEST_BODY,
        openapi_config=openapi(),
        logging_config=None,
    )


def http_app(desk: Desk, more: Sequence[Any] = ()) -> ASGIApp:
    """The application: the entrance, and behind it the routes, the most frequent ones directly."""
    return Entrance(Direct(litestar_app(more), FREQUENT), desk)


def desk_for(parts: ApiParts) -> Desk:
    """What one API process remembers, around its parts."""
    return Desk(parts)
