"""A deed: what somebody did, or was refused, that left no event in the log. Ids only, every text bounded."""

import re
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from application.commands import Command, OrderCommand
from application.requests import Request
from domain.errors import Refusal

Kind: TypeAlias = Literal["refused", "log_in", "log_in_refused", "log_out", "look_up", "export", "act"]

LONGEST_JSON, LONGEST_TEXT, MOST_ABOUT = 4_096, 500, 1_000
REDACTED = "redacted"

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+\.[^@\s]")
_encode = msgspec.json.Encoder().encode


class Deed(Struct, frozen=True, kw_only=True):
    """One deed, its fields in the order of the table's columns.

    `topic` is the command's name, or method and route. `log_position` is how far the log was known to reach; `at` is
    the wall's. `about` are the accounts, users and orders that it named or was shown. `request` and `answer` are JSON.
    """

    deed_id: UUID = msgspec.field(default_factory=uuid4)
    log_position: int
    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    kind: Kind
    topic: str
    actor: str
    role: str
    account_id: UUID | None = None
    order_id: UUID | None = None
    symbol: str | None = None
    code: str | None = None
    origin_id: UUID | None = None
    request_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: str | None = None
    idempotency_key: str | None = None
    request: str | None = None
    answer: str | None = None
    text: str
    about: list[UUID] = []


COLUMNS = Deed.__struct_fields__


def refused_command(request: Request, refusal: Refusal, *, log_position: int) -> Deed:
    """A command that was refused, by whomever of us it was given."""
    command, said = request.command, request.metadata
    order_id = command.order_id if isinstance(command, OrderCommand) else None
    return Deed(
        log_position=log_position,
        kind="refused",
        topic=type(command).__name__,
        actor=said.actor,
        role=said.role,
        account_id=command.account_id,
        order_id=order_id,
        symbol=getattr(command, "symbol", None),
        code=refusal.code,
        origin_id=said.origin_id,
        request_id=said.request_id,
        correlation_id=said.correlation_id,
        causation_id=said.causation_id,
        idempotency_key=said.idempotency_key,
        request=of_command(command),
        answer=as_json({"code": refusal.code, "detail": bounded(refusal.detail)}),
        text=bounded(f"Refused: {refusal.detail}"),
        about=[command.account_id] if order_id is None else [command.account_id, order_id],
    )


def of_command(command: Command) -> str:
    """A command as JSON: it has ids and numbers only, as what it records is kept for ever."""
    return as_json(msgspec.to_builtins(command, str_keys=True))


def as_json(what: Any) -> str:
    """Bounded JSON; what is longer is redacted as a whole."""
    text = _encode(what).decode().replace("\\u0000", "")
    return text if len(text) <= LONGEST_JSON else f'{{"{REDACTED}":"{len(text)} bytes"}}'


def bounded(text: str) -> str:
    """A text that may be kept: printable, not long, and without an e-mail address."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_TEXT])
    return REDACTED if has_address(plain) else plain


def has_address(text: str) -> bool:
    """Whether there is an e-mail address in it."""
    return "@" in text and _ADDRESS.search(text) is not None
