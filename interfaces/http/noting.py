"""Who asked what, written down: refused commands, log-ins, and whatever staff look at or do, before it is answered."""

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar.types import Message, Send

from domain.errors import Refusal
from infrastructure.auditing.deeds import (
    MOST_ABOUT,
    REDACTED,
    Deed,
    Kind,
    as_json,
    bounded,
    has_address,
    of_command,
)
from infrastructure.auditing.keeping import DeedsMustBeKept
from infrastructure.people import Login
from interfaces.http.problems import send_problem, unavailable
from interfaces.http.visit import Noted, Visit, as_uuid

PATIENCE_S = 12.0
NOBODY = "visitor"
READS = frozenset({"GET", "HEAD"})

COMMANDS = {
    "POST /api/v1/orders": "PlaceOrder",
    "PATCH /api/v1/orders/{order_id}": "ReplaceOrder",
    "DELETE /api/v1/orders/{order_id}": "CancelOrder",
    "POST /api/v1/wallet/deposit": "Deposit",
    "POST /api/v1/wallet/withdraw": "Withdraw",
}
"""Routes whose requests are refused before there is a command, and the command it would have been."""

KEPT = frozenset(
    (
        *(
            "symbol",
            "side",
            "type",
            "quantity",
            "limit_price",
            "stop_price",
            "time_in_force",
            "client_order_id",
        ),
        *(
            "lot_method",
            "lots",
            "lot_id",
            "amount",
            "method",
            "currency",
            "status",
            "interval",
            "explain",
            "refused",
            "text",
        ),
        *("account_id", "user_id", "order_id", "account", "actor", "topic", "code", "kind", "state", "book"),
        *("assignee_id", "resolution"),
        *(
            "limit",
            "cursor",
            "min_position",
            "log_position",
            "number",
            "seal",
            "format",
            "date",
            "from",
            "to",
        ),
        *("at", "known_at", "effective_at", "as_known_at", "ex_date", "record_date", "pay_date", "rate"),
        *("numerator", "denominator", "cash_in_lieu", "names", "parallel", "fresh", "gentle"),
    )
)
"""Fields and parameters that are written down; of any other there is only its name: it may be personal or secret."""

_IDS = re.compile(rb'"(?:account_id|user_id|subject_id|owner_id|order_id)":"([0-9a-f-]{36})"')


class Noting:
    """An answer whose first message waits until what it answers has been written down."""

    def __init__(self, scope: Any, visit: Visit, start: Message) -> None:
        self._scope = scope
        self._visit = visit
        self._start: Any = start
        self._is_written = self._is_replaced = False

    async def let_through(self, message: Message, send: Send) -> None:
        """Send on a message after the first one. When nothing can be written down, 503 is sent in the answer's place."""
        if self._is_replaced:
            return
        if not self._is_written:
            try:
                await self._write_down(message)
            except DeedsMustBeKept as refusal:
                self._is_replaced = True
                body = unavailable(refusal, self._visit)
                await send_problem(503, body, send, (b"retry-after", b"1"))
                return
            self._is_written = True
            await send(self._start)
        await send(message)

    async def _write_down(self, first: Message) -> None:
        if self._visit.noted is not None:
            await self._keep(self._visit.noted, first)

    async def _keep(self, noted: Noted, first: Any) -> None:
        login: Login | None = noted.logged_in or self._scope.get("user")
        is_staff = login is not None and login.role != "customer"
        if not (is_staff or self._is_worth_noting(noted, login)):
            return
        deed = await self._deed(noted, login, bytes(first.get("body", b"")) if is_staff else b"")
        keeper = self._visit.desk.parts.deeds
        if not is_staff:
            keeper.keep(deed)
            return
        written = asyncio.wrap_future(keeper.wait(deed))
        try:
            await asyncio.wait_for(written, PATIENCE_S)
        except TimeoutError:
            raise DeedsMustBeKept("what is asked cannot be written down; try again") from None

    def _is_worth_noting(self, noted: Noted, login: Login | None) -> bool:
        """A customer's log-in or log-out, command that was refused, or try at what is for staff; a stranger's failed log-in."""
        if noted.logged_in is not None or noted.has_logged_out:
            return True
        if noted.refused is None:
            return False
        if login is None:
            return noted.refused.code in {"credentials_must_be_right", "email_must_not_be_taken"}
        return self._scope["method"] not in READS or noted.refused.code == "role_must_allow"

    async def _deed(self, noted: Noted, login: Login | None, shown: bytes) -> Deed:
        visit, scope, refused = self._visit, self._scope, noted.refused
        user_id, account_id = (login.user_id, login.account_id) if login else (None, noted.tried_account_id)
        named, query, body = _path_ids(scope), _query(scope), _decoded(visit.body)
        if login is not None and login.role != "customer":
            account_id = as_uuid(str(named.get("account_id", query.get("account_id", ""))).encode())
        command, order_id = noted.command, named.get("order_id")
        if command is not None:
            account_id, order_id = command.account_id, getattr(command, "order_id", order_id)
        return Deed(
            log_position=visit.desk.parts.reads.end(),
            kind=_kind(scope, noted, login),
            topic=_topic(scope, noted),
            actor=NOBODY if user_id is None else str(user_id),
            role=NOBODY if login is None else login.role,
            account_id=account_id,
            order_id=order_id,
            symbol=_symbol(scope, noted, query, body),
            code=None if refused is None else refused.code,
            origin_id=await self._origin(user_id),
            request_id=visit.request_id,
            correlation_id=visit.correlation_id,
            idempotency_key=_key(visit),
            request=of_command(command) if command is not None else _request(scope, query, body),
            answer=as_json(_answer(self._start["status"], refused, is_told=_is_told(noted))),
            text=_text(scope, noted, query, self._start["status"]),
            about=_about([account_id, order_id, noted.tried_user_id, *named.values()], shown),
        )

    async def _origin(self, user_id: UUID | None) -> UUID | None:
        client = self._scope.get("client")
        agent = (self._visit.text(b"user-agent") or "")[:300]
        try:
            return await self._visit.desk.parts.people.origin(user_id, client[0] if client else "", agent)
        except Refusal:
            return None  # the database is away; what is to be kept must not fail of it


def _kind(scope: Any, noted: Noted, login: Login | None) -> Kind:
    if noted.refused is not None:
        return "log_in_refused" if login is None and _route(scope).endswith("/auth/login") else "refused"
    if noted.logged_in is not None:
        return "log_in"
    if noted.has_logged_out:
        return "log_out"
    if "/export" in scope["path"] or scope["path"].endswith("/compliance/cat"):
        return "export"
    return "look_up" if scope["method"] in READS else "act"


def _route(scope: Any) -> str:
    return f"{scope['method']} {scope.get('path_template') or scope['path']}"


def _topic(scope: Any, noted: Noted) -> str:
    if noted.command is not None:
        return type(noted.command).__name__
    route = _route(scope)
    known = COMMANDS.get(route) if noted.refused is not None else None
    return known or bounded(route)


def _path_ids(scope: Any) -> dict[str, UUID]:
    found: dict[str, Any] = scope.get("path_params") or {}
    return {name: value for name, value in found.items() if isinstance(value, UUID)}


def _query(scope: Any) -> dict[str, str]:
    pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"), max_num_fields=None)[:30]
    return {bounded(name)[:40]: bounded(value)[:200] if name in KEPT else REDACTED for name, value in pairs}


def _request(scope: Any, query: dict[str, str], body: Any) -> str | None:
    said: dict[str, Any] = {"path": bounded(scope["path"])}
    if query:
        said["query"] = query
    if body is not None:
        said["body"] = _kept(body, 0)
    return as_json(said)


def _decoded(body: bytes) -> Any:
    """What came in; a text that is no JSON is redacted."""
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return REDACTED


def _kept(value: Any, depth: int) -> Any:
    """Of what came in the fields that may be kept."""
    if depth > 3:
        return REDACTED
    if isinstance(value, dict):
        fields = list(value.items())[:30]
        return {
            bounded(name)[:40]: _kept(each, depth + 1) if name in KEPT else REDACTED for name, each in fields
        }
    if isinstance(value, list):
        return [_kept(each, depth + 1) for each in value[:20]]
    return bounded(value)[:100] if isinstance(value, str) else value


def _symbol(scope: Any, noted: Noted, query: dict[str, str], body: Any) -> str | None:
    """The symbol of the command, the path, the query or the body, whichever there is."""
    if noted.command is not None:
        return getattr(noted.command, "symbol", None)
    in_path = (scope.get("path_params") or {}).get("symbol")
    found = in_path or query.get("symbol") or (body.get("symbol") if isinstance(body, dict) else None)
    return bounded(found)[:20].upper() if isinstance(found, str) else None


def _key(visit: Visit) -> str | None:
    key = visit.text(b"idempotency-key")
    return None if key is None else REDACTED if has_address(key) else bounded(key)[:200]


def _is_told(noted: Noted) -> bool:
    """Whether the words of the refusal are ours alone, with nothing of what came in."""
    return noted.command is not None or (
        noted.refused is not None and noted.refused.code == "role_must_allow"
    )


def _answer(status: int, refused: Any, *, is_told: bool) -> dict[str, Any]:
    if refused is None:
        return {"status": status}
    said = {"status": status, "code": refused.code}
    return {**said, "detail": bounded(refused.detail)} if is_told else said


def _text(scope: Any, noted: Noted, query: dict[str, str], status: int) -> str:
    if noted.refused is not None:
        why = noted.refused.detail if _is_told(noted) else noted.refused.code
        return bounded(f"Refused {_topic(scope, noted)}: {why}")
    if noted.logged_in is not None:
        return "Logged in"
    if noted.has_logged_out:
        return "Logged out"
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return bounded(f"{scope['method']} {scope['path']}{'?' if asked else ''}{asked}: {status}")


def _about(named: list[UUID | None], shown: bytes) -> list[UUID]:
    """Everybody and everything that was named or shown, each once."""
    found = {one: None for one in named if one is not None}
    for text in _IDS.findall(shown):
        if len(found) >= MOST_ABOUT:
            break
        one = as_uuid(text)
        if one is not None:
            found[one] = None
    return list(found)
