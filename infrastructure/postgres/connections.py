"""Connections to PostgreSQL, set up the one way we use them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.json import set_json_dumps
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from application.errors import DatabaseMustAnswer
from infrastructure.postgres import arrays

CONNECT_TIMEOUT_S = 5

AsyncPool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]


class JsonText(Loader):
    """A json or jsonb column as its own bytes: most readers pass it on, the others know its type."""

    def load(self, data: Buffer) -> bytes:
        """The bytes."""
        return bytes(data)


class JsonBytes(JsonText):
    """The same of a binary answer."""

    format = Format.BINARY


class JsonbBytes(JsonBytes):
    """The same of jsonb, which begins with the number of its form."""

    def load(self, data: Buffer) -> bytes:
        """The bytes."""
        return bytes(data)[1:]


def configure(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Let JSON stay text on its way in, be written by msgspec on its way out, and take columns of `arrays`."""
    set_json_dumps(msgspec.json.encode, connection)
    connection.adapters.register_loader("json", JsonText)
    connection.adapters.register_loader("jsonb", JsonText)
    connection.adapters.register_loader("json", JsonBytes)
    connection.adapters.register_loader("jsonb", JsonbBytes)
    arrays.register(connection)


BY_KEY = "".join(
    f" -c {name}=off" for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
)
"""For those who only look rows up by their keys, many at once: they always take the index, and nobody helps them.

The planner does not know how many keys a list has, and how fast a young table has grown since it was looked at; where it
guesses wrong it reads the whole table, with two more processes, for a few rows.
"""


def connect(
    url: str,
    *,
    application: str,
    longest_transaction_ms: int = 0,
    idle_limit_ms: int = 0,
    by_key: bool = False,
) -> psycopg.Connection[Any]:
    """One connection in autocommit. A transaction that is open for `longest_transaction_ms`, or idle for
    `idle_limit_ms`, is ended by the server, so that a stopped process cannot keep its locks; 0 means never.
    `by_key` is for one that only looks up rows by their keys.
    """
    idle = idle_limit_ms or longest_transaction_ms
    connection = psycopg.connect(
        url,
        autocommit=True,
        application_name=application,
        connect_timeout=CONNECT_TIMEOUT_S,
        options=f"-c idle_in_transaction_session_timeout={idle} -c timezone=UTC{BY_KEY if by_key else ''}",
    )
    if longest_transaction_ms and has_transaction_timeout(connection):
        connection.execute(f"SET transaction_timeout = {longest_transaction_ms}".encode())
    configure(connection)
    return connection


def has_transaction_timeout(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server can bound a transaction's time as such (PostgreSQL 17). An older one bounds only
    how long it is idle, and starts that clock with a plain statement, not at the end of a pipeline.
    """
    return connection.info.server_version >= 170_000


def pool(url: str, *, application: str, size: int = 4) -> ConnectionPool[psycopg.Connection[Any]]:
    """A pool of such connections, not yet open."""
    return ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        check=ConnectionPool.check_connection,
        kwargs={"autocommit": True, "application_name": application, "options": "-c timezone=UTC"},
        configure=configure,
    )


@asynccontextmanager
async def lend(pool: AsyncPool) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of the pool for one piece of work. Raises DatabaseMustAnswer while PostgreSQL is away."""
    try:
        async with pool.connection(timeout=CONNECT_TIMEOUT_S) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseMustAnswer("the database does not answer; try again") from error


def async_pool(url: str, *, application: str, size: int = 8) -> AsyncPool:
    """The same for an event loop."""

    async def configured(connection: psycopg.AsyncConnection[Any]) -> None:
        configure(connection)

    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        kwargs={"autocommit": True, "application_name": application, "options": "-c timezone=UTC"},
        configure=configured,
    )
