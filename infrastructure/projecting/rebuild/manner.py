"""How a rebuild works: in what portions, and how much of the machine it leaves to others."""

import time
from typing import Any

from msgspec import Struct
from psycopg import Connection

from infrastructure.eventstore.log import last_row
from infrastructure.postgres.niceness import be_nice

NICENESS = 10
CHUNK = 20_000
GENTLE_CHUNK = 1_000
SHORT = 20_000
FLOWING_RATE = 20.0
"""So many new events a second mean that customers are at work."""

REST = 0.5
REST_MOST_S = 1.0


class Manner(Struct, frozen=True, kw_only=True):
    """`chunk` events are folded, written and noted in one transaction, and are what a crash loses at most.

    Fewer than `short` events are folded in one process, whatever was asked for. `is_gentle`: while customers are
    at work, chunks are small, and after each it rests for half as long as it took.
    """

    chunk: int = CHUNK
    short: int = SHORT
    is_gentle: bool = True


USUAL = Manner()


class Gait:
    """What a worker's manner comes to from chunk to chunk, by how fast the log grows meanwhile."""

    def __init__(self, connection: Connection[Any], manner: Manner) -> None:
        self._connection = connection
        self._manner = manner
        self._looked, self._end = time.monotonic(), last_row(connection)[0]
        self._is_flowing = manner.is_gentle  # until a look says otherwise

    @property
    def chunk(self) -> int:
        """Events of the next chunk."""
        return min(GENTLE_CHUNK, self._manner.chunk) if self._is_flowing else self._manner.chunk

    def rest(self, worked_s: float) -> None:
        """Called after a chunk that took so long."""
        if not self._manner.is_gentle:
            return
        self._look()
        if self._is_flowing:
            time.sleep(min(REST * worked_s, REST_MOST_S))

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < 0.1:
            return
        end = last_row(self._connection)[0]
        self._is_flowing = (end - self._end) / (now - self._looked) > FLOWING_RATE
        self._looked, self._end = now, end


def yielding(connection: Connection[Any]) -> Connection[Any]:
    """A connection for heavy work whose commits nobody waits for.

    What it commits is written out by whatever is committed durably after it, the swap at the latest; a
    server that crashes before loses rows and their note together.
    """
    be_nice(connection, NICENESS)
    connection.execute("SET synchronous_commit = off")
    return connection
