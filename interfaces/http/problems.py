"""Every no and every fault as a problem document (RFC 9457), from one table.

`type` is a path, relative to wherever the API is; `code` says what must be and never changes;
`instance` is the request's id, which our log carries too.
"""

import re
from typing import Any

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from litestar.exceptions.http_exceptions import MethodNotAllowedException, RequestEntityTooLarge
from litestar.response import Response
from litestar.types import Send

from application.errors import QueueMustHaveRoom, ReadTableMustReachPosition, Unavailable
from domain.errors import Conflict, InputIsWrong, NotFound, Refusal, RuleBroken
from infrastructure.credentials import NotLoggedIn
from infrastructure.figures import FIGURES
from interfaces.http import refusals
from interfaces.http.parameters import declared_by
from interfaces.http.visit import Visit, visit_of

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[Refusal], int] = {
    refusals.RequestMustBeWellFormed: 400,
    NotLoggedIn: 401,
    refusals.RoleMustAllow: 403,
    NotFound: 404,
    refusals.MethodMustBeAllowed: 405,
    Conflict: 409,
    refusals.BodyMustBeSmall: 413,
    InputIsWrong: 422,
    RuleBroken: 422,
    Unavailable: 503,
}
"""By category: the first one in a refusal's ancestry counts."""

TITLES = {
    400: "Request is not well formed",
    401: "Login needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Body too large",
    422: "Refused",
    500: "Our fault",
    503: "Cannot be served now",
}

_MISSING = re.compile(r"Missing required query parameter '([^']+)'")

_encode = msgspec.json.Encoder().encode


class FaultIsOurs(Exception):
    """What a request has failed of that should have been answered; it stands where a refusal would."""

    code = "fault_is_ours"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def status_of(kind: type[Refusal]) -> int:
    """The status a refusal is answered with; 422 for one of no category."""
    return next((STATUS[each] for each in kind.__mro__ if each in STATUS), 422)


def document(status: int, code: str, detail: str, *, visit: Visit, **members: Any) -> dict[str, Any]:
    """The body of a problem."""
    return {
        "type": f"/problems/{code}",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "detail": detail,
        "code": code,
        "instance": str(visit.request_id),
        **members,
    }


def on_refusal(request: "Request[Any, Any, Any]", refusal: Refusal) -> Response[bytes]:
    """An expected no."""
    visit_of(request.scope).note().refused = refusal
    status = status_of(type(refusal))
    members: dict[str, Any] = dict(getattr(refusal, "members", {}))
    if isinstance(refusal, ReadTableMustReachPosition):
        members |= {"min_position": refusal.wanted, "log_position": refusal.reached}
    headers = {}
    if isinstance(refusal, Unavailable):
        headers["Retry-After"] = str(refusal.retry_after)
        FIGURES.add("unavailable_answers", of=refusal.code)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="daybook"'
    return _problem(request, status, refusal.code, refusal.detail, headers=headers, **members)


def on_rejected(request: "Request[Any, Any, Any]", rejected: refusals.OrderWasRejected) -> Response[bytes]:
    """An order that a rule refused: kept, so that it can be read under its id."""
    answer = rejected.answer
    visit_of(request.scope).stand_at(answer.log_position)
    members = {"order_id": str(answer.order_id), "log_position": answer.log_position}
    return _problem(request, 422, answer.reason or "rejected", answer.detail or "", **members)


def on_http(request: "Request[Any, Any, Any]", error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses, in our words."""
    if isinstance(error, RequestEntityTooLarge):
        return on_refusal(request, refusals.BodyMustBeSmall("a body has at most 65536 bytes"))
    if isinstance(error, NotFoundException):
        return on_refusal(request, refusals.RouteMustExist(f"nothing is served at {request.scope['path']}"))
    if isinstance(error, MethodNotAllowedException):
        refusal = refusals.MethodMustBeAllowed(f"{request.scope['method']} is not allowed here")
        response = on_refusal(request, refusal)
        response.headers.update({name: str(value) for name, value in (error.headers or {}).items()})
        return response
    if error.status_code < 500:
        return on_refusal(request, _ill_formed(request, error))
    return on_fault(request, error)


def on_fault(request: "Request[Any, Any, Any]", error: Exception) -> Response[bytes]:
    """A fault of ours: the log has all of it, the client the request's id."""
    visit = visit_of(request.scope)
    visit.note().refused = FaultIsOurs("something went wrong on our side")
    log.error("request failed", path=request.scope["path"], request_id=str(visit.request_id), exc_info=error)
    return _problem(request, 500, "fault_is_ours", "something went wrong on our side; the log has it")


def unavailable(refusal: Unavailable, visit: Visit) -> bytes:
    """The body for what cannot be served now."""
    FIGURES.add("unavailable_answers", of=refusal.code)
    return _encode(document(503, refusal.code, refusal.detail, visit=visit))


def busy(visit: Visit) -> bytes:
    """The body for a request too many."""
    detail = "more requests are being served than may be at once"
    return _encode(document(503, QueueMustHaveRoom.code, detail, visit=visit))


def fault(visit: Visit) -> bytes:
    """The body for a fault outside of Litestar."""
    return _encode(document(500, "fault_is_ours", "something went wrong on our side", visit=visit))


def _ill_formed(request: "Request[Any, Any, Any]", error: HTTPException) -> refusals.RequestMustBeWellFormed:
    missing = _MISSING.match(str(error.detail))
    if missing is not None:
        name = missing.group(1)
        return refusals.RequestMustBeWellFormed(f"the query parameter {name} is needed", parameter=name)
    extra = error.extra if isinstance(error, ValidationException) else None
    first = extra[0] if isinstance(extra, list) and extra else None
    if not isinstance(first, dict):
        return refusals.RequestMustBeWellFormed(str(error.detail))
    key = first.get("key")
    if key == "data":
        return refusals.RequestMustBeWellFormed("a JSON body is needed", pointer="#")
    name = declared_by(request.route_handler).get(
        str(key), key
    )  # a Python keyword has another name in our code
    return refusals.RequestMustBeWellFormed(f"{name}: {first.get('message')}", parameter=name)


def _problem(
    request: "Request[Any, Any, Any]", status: int, code: str, detail: str, **members: Any
) -> Response[bytes]:
    headers = members.pop("headers", {})
    body = _encode(document(status, code, detail, visit=visit_of(request.scope), **members))
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


async def send_problem(status: int, body: bytes, send: Send, *headers: tuple[bytes, bytes]) -> None:
    """Send a problem past Litestar."""
    described = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*described, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


HANDLERS: dict[Any, Any] = {
    Refusal: on_refusal,
    refusals.OrderWasRejected: on_rejected,
    HTTPException: on_http,
    Exception: on_fault,
}
