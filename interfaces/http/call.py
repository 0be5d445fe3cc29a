"""A request as the routes see it: who asks, what they sent, and the two things to do about it, command or read."""

import hashlib
import re
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Request as LitestarRequest
from msgspec import Struct

from application.answers import Answer
from application.commands import Command
from application.requests import Metadata, Request
from domain.errors import Refusal
from infrastructure.people import Login
from infrastructure.reading import Read
from infrastructure.wiring.api import ApiParts
from interfaces.http.fields import kept_for_ever
from interfaces.http.refusals import BodyMustBeSmall, LoginMustBeValid, RequestMustBeWellFormed
from interfaces.http.visit import Visit, visit_of
from projections.questions import Lookup, Lookups, Question

T = TypeVar("T", bound=Struct)

LARGEST_BODY = 64 * 1024

_POINTER = re.compile(r"(.*) - at `\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]+)\]")
_encode = msgspec.json.Encoder(order="sorted").encode


class Call(LitestarRequest[Login, Any, Any]):
    """One request of the API."""

    @property
    def visit(self) -> Visit:
        """Its ids and headers."""
        return visit_of(self.scope)

    @property
    def parts(self) -> ApiParts:
        """What this process works with."""
        return self.visit.desk.parts

    @property
    def token(self) -> str:
        """The bearer token. Raises LoginMustBeValid."""
        scheme, _, token = (self.visit.text(b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise LoginMustBeValid("a header `Authorization: Bearer <token>` is needed")
        return token.strip()

    @property
    def login(self) -> Login:
        """Who asks; there only behind a route that needs a role."""
        login: Login = self.scope["user"]
        return login

    @property
    def account_id(self) -> UUID:
        """The account of the customer who asks."""
        account_id = self.login.account_id
        assert account_id is not None, "a customer has an account"  # noqa: S101
        return account_id

    async def body(self) -> bytes:
        """The body, at most 64 KiB. Raises BodyMustBeSmall."""
        known = self._body
        if isinstance(known, bytes):
            return known
        self._body = self.visit.body = found = await self._read_body()
        return found

    async def json(self) -> Any:
        """The body, decoded as the type its route declares: exact, strict, in one pass.

        Raises RequestMustBeWellFormed.
        """
        decoder = decoder_of(self.route_handler)
        try:
            return decoder.decode(await self.body())
        except msgspec.ValidationError as error:
            raise _ill_formed(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RequestMustBeWellFormed(f"the body is not JSON: {error}", pointer="#") from None

    async def _read_body(self) -> bytes:
        announced = self.visit.headers.get(b"content-length", b"0")
        body, is_whole = b"", False
        if announced.isdigit() and int(announced[:10]) > LARGEST_BODY:
            raise BodyMustBeSmall(f"a body has at most {LARGEST_BODY} bytes")
        while not is_whole:
            message: Any = await self.receive()
            if message["type"] == "http.disconnect":
                raise RequestMustBeWellFormed("the body never came to its end")
            body, is_whole = body + bytes(message["body"]), not message.get("more_body", False)
            if len(body) > LARGEST_BODY:
                raise BodyMustBeSmall(f"a body has at most {LARGEST_BODY} bytes")
        return body

    # Commands.

    async def execute(self, command: Command, *, body: Struct | None = None, keyed: bool = True) -> Answer:
        """Give the command in the caller's name; its answer once it is durable.

        With a header `Idempotency-Key` a repetition of method, path and `body` gets the stored answer.
        """
        key = self._idempotency_key() if keyed else None
        request = Request(
            command=command,
            metadata=await self._metadata(key),
            request_hash=b"" if key is None else self._request_hash(body),
        )
        try:
            answer = await self.parts.commands.execute(request)
        except Refusal:
            self.visit.note().command = command
            raise
        self.visit.desk.writes.note(command.account_id, answer.log_position)
        self.visit.stand_at(answer.log_position)
        return answer

    async def metadata_for(self, user_id: UUID, role: str, *, key: str | None = None) -> Metadata:
        """Who and why, for the log: ids only."""
        visit = self.visit
        client = self.scope.get("client")
        origin_id = await self.parts.people.origin(
            user_id, client[0] if client else "", (visit.text(b"user-agent") or "")[:300]
        )
        return Metadata(
            actor=str(user_id),
            role=role,
            request_id=visit.request_id,
            correlation_id=visit.correlation_id,
            idempotency_key=key,
            origin_id=origin_id,
        )

    async def _metadata(self, key: str | None) -> Metadata:
        return await self.metadata_for(self.login.user_id, self.login.role, key=key)

    def _idempotency_key(self) -> str | None:
        key = self.visit.text(b"idempotency-key")
        if key is not None and not (1 <= len(key) <= 200 and key.isascii() and key.isprintable()):
            raise RequestMustBeWellFormed(
                "Idempotency-Key has 1 to 200 printable ASCII characters", parameter="Idempotency-Key"
            )
        return key if key is None else kept_for_ever(key, name="Idempotency-Key", parameter="Idempotency-Key")

    def _request_hash(self, body: Struct | None) -> bytes:
        whose = (
            "" if self.login.role == "customer" else f" {self.login.user_id}"
        )  # a colleague's key is not mine
        route = f"{self.scope['method']} {self.scope['path']}{whose}\n".encode()
        return hashlib.sha256(route + (b"" if body is None else _encode(body))).digest()

    # Reads.

    async def read(
        self,
        question: Question[T] | Lookup[T],
        *,
        min_position: int | None,
        own: bool = True,
        **parameters: Any,
    ) -> Read[T]:
        """Put a question to a read table, at `min_position` or later; `own` makes the caller's own last
        command a minimum too. Raises ReadTableMustReachPosition.
        """
        wanted = self._own(min_position) if own else min_position
        return await self.parts.reads.many(question, min_position=wanted, **parameters)

    async def read_of(
        self, account_id: UUID | None, question: Question[T], *, min_position: int | None, **parameters: Any
    ) -> Read[T]:
        """The same for staff, who may narrow it to one account by its id. Raises AccountMustExist."""
        named = {**parameters, "account_id": account_id}
        read = await self.parts.reads.many(question, min_position=min_position, **named)
        if account_id is not None and not read.rows:
            await self.parts.reads.require_account(account_id)
        return read

    async def read_several(self, lookups: Lookups, *, min_position: int | None) -> list[Read[Any]]:
        """Look up what the caller has in several read tables, as `read` does with the caller's own last command."""
        wanted, account_id = self._own(min_position), self.account_id
        return await self.parts.reads.several(lookups, min_position=wanted, account_id=account_id)

    def _own(self, min_position: int | None) -> int | None:
        written = self.visit.desk.writes.position(self.account_id)
        return max(filter(None, (min_position, written)), default=None)

    def answered_by(self, read: Read[Any]) -> None:
        """Say in the headers where the read table stood."""
        self.visit.stand_at(read.log_position, lag=read.lag)


_decoders: dict[int, tuple[Any, msgspec.json.Decoder[Any]]] = {}


def decoder_of(handler: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of the type that a route declares for its `data`."""
    known = _decoders.get(id(handler))
    if known is None:
        declared = handler.parsed_fn_signature.parameters["data"].annotation
        # The handler is kept beside its decoder, so that its id is never another's.
        known = _decoders[id(handler)] = (handler, msgspec.json.Decoder(declared))
    return known[1]


def _ill_formed(message: str) -> RequestMustBeWellFormed:
    found = _POINTER.fullmatch(message)
    if found is None:
        return RequestMustBeWellFormed(message, pointer="#")
    steps = [name or index for name, index in _STEP.findall(found.group(2))]
    detail = found.group(1).replace(
        "`int | str`, got `float`", 'a string such as "1.50", got a float, which is not exact'
    )
    return RequestMustBeWellFormed(detail, pointer="#/" + "/".join(steps) if steps else "#")
