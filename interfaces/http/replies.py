"""Answers as JSON, put on the wire with as little as possible in between."""

from typing import Any

import msgspec
from litestar.response import Response
from litestar.types import Receive, Scope, Send

_encode = msgspec.json.Encoder().encode
_NO_BODY = b""


class JsonReply:
    """An encoded answer: one start message, one body message."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self._status = status
        self._body = body
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


class Reply(Response[Any]):
    """What a route returns, as JSON. The answer's own headers are the entrance's to add.

    Litestar's general response merges headers, cookies, encoders and media types for every answer; a
    route of ours has none of that, and a third of the time of a small answer would go into it.
    """

    def __init__(self, content: Any, *, status_code: int | None = None, **_nothing_else: Any) -> None:
        self.content = content
        self.status_code = status_code

    def to_asgi_response(self, app: Any, request: Any, **options: Any) -> Any:
        """The encoded answer."""
        status: int = self.status_code or options.get("status_code") or 200
        if status == 204:
            return JsonReply(status, _NO_BODY, [])
        body = _encode(self.content)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return JsonReply(status, body, headers)
