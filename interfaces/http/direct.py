"""The way of the most frequent requests: to their route's function without Litestar in between.

For a small answer Litestar's own work is half of what a request costs here. Such a request still has its route in
Litestar: it is described there, and whatever goes wrong is answered there.
"""

from collections.abc import Iterable
from typing import Any

from litestar import Litestar
from litestar.types import Receive, Send

from interfaces.http.call import Call
from interfaces.http.entrance import FAILURE, admit
from interfaces.http.replies import Reply
from interfaces.http.visit import visit_of

Route = tuple[str, str]
"""Method and path."""


class Direct:
    """In front of Litestar, for routes that take the request, a JSON body or nothing more, and what has a default."""

    def __init__(self, app: Litestar, routes: Iterable[Route]) -> None:
        self._app = app
        self._handlers = {(method, path): _handler(app, method, path) for method, path in routes}
        self._with_body = {route for route, handler in self._handlers.items() if takes_body(handler)}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = (scope["method"], scope["path"]) if scope["type"] == "http" else None
        handler = self._handlers.get(route) if route is not None else None
        if handler is None or not (_has_body(scope) if route in self._with_body else _asks_plainly(scope)):
            await self._app(scope, receive, send)
            return
        scope["route_handler"] = handler
        call = Call(scope, receive, send)
        try:
            await admit(call)
            data = [await call.json()] if route in self._with_body else []
            reply = Reply(await handler.fn(call, *data), status_code=handler.status_code)
        except Exception as error:  # noqa: BLE001  Litestar raises it once more and answers it as any other
            scope[FAILURE] = error
            await self._app(scope, receive, send)
            return
        await reply.to_asgi_response(self._app, call)(scope, receive, send)


def takes_body(handler: Any) -> bool:
    """Whether a route reads a body."""
    return "data" in handler.parsed_fn_signature.parameters


def _handler(app: Litestar, method: str, path: str) -> Any:
    route: Any = next(route for route in app.routes if route.path == path)
    return next(handler for handler in route.route_handlers if method in handler.http_methods)


def _has_body(scope: Any) -> bool:
    """Whether a body is announced; what Litestar says about a missing one is its own."""
    length = visit_of(scope).headers.get(b"content-length", b"")
    return length.isdigit() and length != b"0"


def _asks_plainly(scope: Any) -> bool:
    """Whether there is nothing in the query, so that each parameter has its default."""
    return not scope["query_string"]
