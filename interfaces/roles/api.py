"""The api role: serves HTTP until it is told to stop."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import structlog
import uvicorn
import uvloop

from application.expected import TellTheOperator
from infrastructure.memory import keep_what_is_here
from infrastructure.settings import Settings
from infrastructure.wiring.api import api_parts
from interfaces.http.app import desk_for, http_app

log = structlog.get_logger()

GRACE_S = 2
KEEP_ALIVE_S = 75
BACKLOG = 2048


class AddressMustBeFree(TellTheOperator):
    """Nothing can be served under this address: another program does, or it is not this machine's."""


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve in this thread until `stop` is set; open requests get up to 2 seconds to finish.

    Raises AddressMustBeFree.
    """
    with (
        contextlib.closing(listen(settings.host, settings.port)) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(settings, stop, listener))


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises AddressMustBeFree."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise AddressMustBeFree(f"cannot listen on {host}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise AddressMustBeFree(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


async def _serve(settings: Settings, stop: threading.Event, listener: socket.socket) -> None:
    async with api_parts(settings) as parts:
        desk = desk_for(parts)
        server = Server(_config(http_app(desk)))
        watch = asyncio.create_task(desk.marks.follow())
        ender = threading.Thread(target=_end_when, args=(stop, server), name="api stop", daemon=True)
        ender.start()
        keep_what_is_here()
        log.info("serving", url=f"http://{settings.host}:{settings.port}")
        try:
            await server.serve(sockets=[listener])
        finally:
            watch.cancel()
            parts.people.close()


def _end_when(stop: threading.Event, server: uvicorn.Server) -> None:
    stop.wait()
    server.should_exit = True


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
