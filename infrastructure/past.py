"""The past for a command line: accounts as they stood, over a connection of its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any

import psycopg

from infrastructure.postgres.connections import connect
from infrastructure.reading import History


@contextmanager
def open_history(url: str, now: Callable[[], datetime]) -> Iterator[History]:
    """Accounts as they stood; `now` says what has passed for certain."""
    with connect(url, application="daybook replay") as connection:
        yield History(Alone(connection), now)


class Alone:
    """Lends the one connection there is."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        return nullcontext(self._connection)
