"""The one middleware: every request gets an id and its answer's headers, what is worth noting is written down before it is
answered; and who may pass which route.
"""

from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Send

from application.errors import QueueMustHaveRoom
from infrastructure.figures import FIGURES
from interfaces.http.desk import Desk
from interfaces.http.noting import Noting
from interfaces.http.parameters import require_known_parameters
from interfaces.http.problems import busy, fault, send_problem
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

        answer = _Answer(scope, visit, send)
        if self._desk.being_served >= self._desk.parts.settings.requests_limit and scope["path"] not in LOOKS:
            FIGURES.add("unavailable_answers", of=QueueMustHaveRoom.code)
            await send_problem(503, busy(visit), answer.send, (b"retry-after", b"1"))
            return
        self._desk.being_served += 1
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            log.exception("request failed", request_id=str(visit.request_id), error=repr(error))
            if visit.started:
                raise
            await send_problem(500, fault(visit), answer.send)
        finally:
            self._desk.being_served -= 1


class _Answer:
    """What an answer is sent through: its headers are added, and it waits while something is to be written down."""

    __slots__ = ("_noting", "_scope", "_send", "_visit")

    def __init__(self, scope: Any, visit: Visit, send: Send) -> None:
        self._scope = scope
        self._visit = visit
        self._send = send
        self._noting: Noting | None = None

    async def __call__(self, message: Message) -> None:
        """The next message of the application."""
        if self._noting is not None:
            await self._noting.let_through(message, self.send)
        elif self._visit.noted is not None and message["type"] == "http.response.start":
            self._noting = Noting(self._scope, self._visit, message)
        else:
            self._add_headers(message)
            await self._send(message)

    async def send(self, message: Message) -> None:
        """Send a message on, whatever is to be written down."""
        self._add_headers(message)
        await self._send(message)

    def _add_headers(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._visit.started = True
            message["headers"] = [*message["headers"], *self._visit.answer_headers]


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
    call.scope["user"] = login
    if login.role in STAFF:
        call.visit.note()
    if login.role not in roles:
        raise RoleMustAllow(f"this is not for the role {login.role}")
