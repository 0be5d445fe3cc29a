"""What is known of one request besides its route and its body."""

from typing import Any
from uuid import UUID

from interfaces.http.desk import Desk
from interfaces.http.ids import fresh_id

KEY = "daybook"
_STANDING = (b"daybook-position", b"daybook-lag")


class Visit:
    """One request: its ids, its headers by lower-case name, and the headers its answer will carry."""

    __slots__ = ("answer_headers", "correlation_id", "desk", "headers", "request_id", "started")

    def __init__(self, desk: Desk, headers: dict[bytes, bytes]) -> None:
        self.desk = desk
        self.headers = headers
        self.request_id = as_uuid(headers.get(b"x-request-id")) or fresh_id()
        self.correlation_id = as_uuid(headers.get(b"x-correlation-id"))
        self.answer_headers: list[tuple[bytes, bytes]] = [(b"x-request-id", str(self.request_id).encode())]
        self.started = False
        if self.correlation_id is not None:
            self.say(b"x-correlation-id", str(self.correlation_id))

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
