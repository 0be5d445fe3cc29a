"""The desk of seals for a command line: one connection, for as long as it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from infrastructure.postgres.connections import connect
from infrastructure.sealing.desk import SealDesk


@contextmanager
def open_seal_desk(url: str) -> Iterator[SealDesk]:
    """A desk over a connection of its own."""
    with connect(url, application="daybook seals") as connection:
        yield SealDesk(lambda: nullcontext(connection))
