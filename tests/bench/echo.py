"""The ceiling of everything over HTTP: a bare Litestar application, served exactly as the api role serves ours.

`POST /orders` decodes the same struct as ours and returns it. `GET /answers/{name}` encodes an answer as
large as one of ours, which was put there before.
"""

import asyncio
import contextlib
import gc
import sys
from typing import Any

import uvloop
from litestar import Litestar, get, post, put
from litestar.params import FromPath, JSONBody

from interfaces.http.orders import NewOrder
from interfaces.roles.api import Server, _config, listen

_kept: dict[str, Any] = {}


@post("/orders", status_code=201)
async def echo(data: JSONBody[NewOrder]) -> NewOrder:
    """The body, decoded and encoded."""
    return data


@put("/answers/{name:str}")
async def keep(name: FromPath[str], data: JSONBody[dict[str, Any]]) -> None:
    """Take an answer to give from now on."""
    _kept[name] = data


@get("/answers/{name:str}")
async def answer(name: FromPath[str]) -> dict[str, Any]:
    """The answer, encoded anew each time."""
    found: dict[str, Any] = _kept[name]
    return found


@get("/health")
async def health() -> str:
    """Whether it is there."""
    return "ok"


def main(port: int) -> None:
    """Serve until SIGTERM."""
    app = Litestar([echo, keep, answer, health], openapi_config=None, logging_config=None)
    with (
        contextlib.closing(listen("127.0.0.1", port)) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        gc.collect()
        gc.freeze()
        runner.run(Server(_config(app)).serve(sockets=[listener]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
