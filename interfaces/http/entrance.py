"""The one middleware: every request gets an id and its answer's headers; and who may pass which route."""

from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Send

from application.errors import QueueMustHaveRoom
from infrastructure.figures import FIGURES
from interfaces.http.desk import Desk
from interfaces.http.parameters import require_known_parameters
from interfaces.http.problems import MEDIA_TYPE, busy, fault
from interfaces.http.refusals import LoginMustBeValid, RoleMustAllow
from interfaces.http.visit import KEY, Visit

log = structlog.get_logger()

FAILURE = "daybook_failure"
"""In the scope: what a request has already failed of, to be answered like any other failure."""

NOBODY: frozenset[str] = frozenset()
OPEN = frozenset({"anybody"})
CUSTOMER = frozenset({"customer"})
STAFF = frozenset({"compliance", "admin"})
ADMIN = frozenset({"admin"})
LOGGED_IN = CUSTOMER | STAFF
"""What a route says in `roles=`. A route that says nothing lets nobody in."""

LOOKS = frozenset({"/health", "/metrics"})
"""Answered however much there is to do."""


class Entrance:
    """Stands before Litestar, so that also what Litestar refuses carries the request's id.

    Beyond `requests_limit` requests at once it refuses right here, at little cost: what is accepted is then
    answered in bounded time, however much is offered.
    """

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(self._desk, dict(scope["headers"]))
        scope[KEY] = visit

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.started = True
                message["headers"] = [*message["headers"], *visit.answer_headers]
            await send(message)

        if self._desk.being_served >= self._desk.parts.settings.requests_limit and scope["path"] not in LOOKS:
            FIGURES.add("unavailable_answers", of=QueueMustHaveRoom.code)
            await _send_problem(503, busy(visit), send_with_headers, (b"retry-after", b"1"))
            return
        self._desk.being_served += 1
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            log.exception("request failed", request_id=str(visit.request_id), error=repr(error))
            if visit.started:
                raise
            await _send_problem(500, fault(visit), send_with_headers)
        finally:
            self._desk.being_served -= 1


async def admit(call: Any) -> None:
    """Let in only who may pass the route, and asks for nothing that it does not have.

    It runs before each request's body is read. Not a Litestar guard, because those get a copy of the
    whole route at every request. Raises LoginMustBeValid, RoleMustAllow or RequestMustBeWellFormed.
    """
    failure: Exception | None = call.scope.get(FAILURE)
    if failure is not None:
        raise failure
    await _require_role(call)
    require_known_parameters(call)


async def _require_role(call: Any) -> None:
    roles: frozenset[str] = call.route_handler.opt.get("roles", NOBODY)
    if roles == OPEN:  # equal, not the same: Litestar copies what a route says
        return
    people, token = call.visit.desk.parts.people, call.token
    login = people.known(token) or await people.authenticate(token)
    if login is None:
        raise LoginMustBeValid("the token is not that of an open login")
    if login.role not in roles:
        raise RoleMustAllow(f"this is not for the role {login.role}")
    call.scope["user"] = login


async def _send_problem(status: int, body: bytes, send: Send, *headers: tuple[bytes, bytes]) -> None:
    described = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*described, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
