"""What is known of one request besides its route and its body."""

from typing import Any, Protocol
from uuid import UUID

from application.commands import Command
from infrastructure.people import Login
from interfaces.http.desk import Desk
from interfaces.http.ids import fresh_id

KEY = "daybook"
_STANDING = (b"daybook-position", b"daybook-lag")


class Why(Protocol):
    """Why something was not done: a refusal, or a fault of ours."""

    @property
    def code(self) -> str:
        """What must be."""

    @property
    def detail(self) -> str:
        """What was instead."""


class Noted:
    """What is worth writing down of a request, as far as it is known."""

    __slots__ = ("command", "has_logged_out", "logged_in", "refused", "tried_account_id", "tried_user_id")

    def __init__(self) -> None:
        self.command: Command | None = None
        self.refused: Why | None = None
        self.logged_in: Login | None = None
        self.has_logged_out = False
        self.tried_user_id: UUID | None = None
        self.tried_account_id: UUID | None = None


class Visit:
    """One request: its ids, its headers by lower-case name, and the headers its answer will carry.

    `noted` is there when it is to be written down who asked this; `body` once it was read.
    """

    __slots__ = (
        "answer_headers",
        "body",
        "correlation_id",
        "desk",
        "headers",
        "noted",
        "request_id",
        "started",
    )

    def __init__(self, desk: Desk, headers: dict[bytes, bytes]) -> None:
        self.desk = desk
        self.headers = headers
        self.request_id = as_uuid(headers.get(b"x-request-id")) or fresh_id()
        self.correlation_id = as_uuid(headers.get(b"x-correlation-id"))
        self.answer_headers: list[tuple[bytes, bytes]] = [(b"x-request-id", str(self.request_id).encode())]
        self.started = False
        self.body = b""
        self.noted: Noted | None = None
        if self.correlation_id is not None:
            self.say(b"x-correlation-id", str(self.correlation_id))

    def note(self) -> Noted:
        """What is to be written down of this request."""
        if self.noted is None:
            self.noted = Noted()
        return self.noted

    def say(self, name: bytes, value: str) -> None:
        """Add a header to the answer."""
        self.answer_headers.append((name, value.encode("latin-1")))

    def stand_at(self, log_position: int, *, lag: int | None = None) -> None:
        """Say where in the log the answer stands; a read also says how many events it was behind.

        The last word counts: an order's answer stands further on once its fill was waited for.
        """
        self.answer_headers = [header for header in self.answer_headers if header[0] not in _STANDING]
        self.say(b"daybook-position", str(log_position))
        if lag is not None:
            self.say(b"daybook-lag", str(lag))

    def text(self, name: bytes) -> str | None:
        """A request header."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()


def as_uuid(text: bytes | None) -> UUID | None:
    """A UUID from a header; None when there is none or it is something else."""
    if text is None or len(text) != 36:
        return None
    try:
        return UUID(text.decode("ascii"))
    except ValueError:
        return None


def visit_of(scope: Any) -> Visit:
    """The visit that the entrance put into the scope."""
    visit: Visit = scope[KEY]
    return visit
