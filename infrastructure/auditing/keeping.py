"""Keeps deeds: a queue, and one thread that writes what has gathered by one COPY, ten times a second.

Nothing of it stands in the way of a command that succeeds. Whoever must not be answered before the deed is kept waits
for its future; everybody else goes on at once. The queue is bounded: when it is full, whoever brings a deed is refused.
What is queued is written before the process ends; a process that is killed loses what it had not written, a tenth of
a second's worth, and of that nothing that anybody was answered for who had to wait.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog
from msgspec import structs
from psycopg.errors import ReadOnlySqlTransaction, UndefinedTable

from application.errors import Unavailable
from application.expected import TellTheOperator
from application.requests import Request
from domain.errors import Refusal
from infrastructure.auditing.deeds import COLUMNS, Deed, refused_command
from infrastructure.eventstore.log import last_row
from infrastructure.figures import FIGURES
from infrastructure.postgres.connections import connect

log = structlog.get_logger()

EVERY_S, PATIENCE_S = 0.1, 10.0
AT_ONCE, ROOM = 1_000, 10_000

_LIST = ", ".join(COLUMNS)
_COPY = f"COPY deeds ({_LIST}) FROM STDIN".encode()
_INSERT = (
    f"INSERT INTO deeds ({_LIST}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) ON CONFLICT DO NOTHING"
).encode()
_IS_THERE = "SELECT 1 FROM deeds WHERE deed_id = %s"
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)

Waiting = tuple[Deed, "Future[None] | None"]


class DeedsMustBeKept(Unavailable):
    """What is asked must be written down before it is answered, and it cannot be written down now."""


class ActMustBeKept(TellTheOperator):
    """What an operator does is written down first, and it cannot be."""


class DeedKeeper:
    """`keep` and `wait` may be called from any thread."""

    def __init__(self, url: str, *, room: int = ROOM, patience: float = PATIENCE_S) -> None:
        self._url = url
        self._room = room
        self._patience = patience
        self._queue: deque[Waiting] = deque()
        self._arrived = threading.Event()
        self._ending = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="deeds", daemon=True)

    def start(self) -> "DeedKeeper":
        """Begin to write."""
        FIGURES.watch("deeds_waiting", lambda: len(self._queue))
        self._thread.start()
        return self

    def stop(self) -> None:
        """Write what has been taken, then end. Idempotent."""
        self._ending.set()
        self._arrived.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._patience + 5)

    def keep(self, deed: Deed) -> None:
        """Take a deed, to be written soon. Raises DeedsMustBeKept when there is no room."""
        self._take(deed, None)

    def wait(self, deed: Deed) -> "Future[None]":
        """Take a deed; the future is done once it is durable. Raises DeedsMustBeKept, as the future does."""
        written: Future[None] = Future()
        self._take(deed, written)
        return written

    def refused(self, request: Request, refusal: Refusal, log_position: int) -> None:
        """Take a command that was refused. What one of our own roles was refused may be lost when there is no room."""
        try:
            self.keep(refused_command(request, refusal, log_position=log_position))
        except DeedsMustBeKept:
            FIGURES.add("deeds_lost")

    def _take(self, deed: Deed, written: "Future[None] | None") -> None:
        if self._ending.is_set() or len(self._queue) >= self._room:
            raise DeedsMustBeKept(f"{len(self._queue)} deeds are waiting to be written; try again")
        self._queue.append((deed, written))
        if written is not None or not self._arrived.is_set():
            self._arrived.set()

    # The thread.

    def _run(self) -> None:
        while not (self._ending.is_set() and not self._queue):
            self._arrived.wait()
            self._arrived.clear()
            if not any(written is not None for _, written in tuple(self._queue)):
                self._ending.wait(EVERY_S)  # nobody waits: let more of them gather
            while self._queue:
                self._write([self._queue.popleft() for _ in range(min(len(self._queue), AT_ONCE))])
        if self._connection is not None:
            self._connection.close()

    def _write(self, batch: Sequence[Waiting]) -> None:
        """Carry a batch to an outcome, whatever PostgreSQL does meanwhile."""
        deadline, tried = time.monotonic() + self._patience, False
        while True:
            try:
                connection = self._connected()
                if not (tried and _is_there(connection, batch[0][0])):
                    tried = True
                    _copy(connection, [deed for deed, _ in batch])
                return _tell(batch, None)
            except _LOST as error:
                self._lose(error)
                if time.monotonic() > deadline:
                    return self._give_up(batch)
                time.sleep(EVERY_S)
            except psycopg.Error:  # one that cannot be written must not take its neighbours with it
                log.exception("deeds could not be copied", deeds=len(batch))
                return self._one_by_one(batch)

    def _one_by_one(self, batch: Sequence[Waiting]) -> None:
        for deed, written in batch:
            try:
                self._connected().execute(_INSERT, structs.astuple(deed))
            except psycopg.Error as error:
                log.critical("a deed could not be kept", deed_id=str(deed.deed_id), error=repr(error).strip())
                _tell([(deed, written)], DeedsMustBeKept("this cannot be written down"))
            else:
                _tell([(deed, written)], None)

    def _give_up(self, batch: Sequence[Waiting]) -> None:
        """Who waits is refused. The others go back to their place, unless the process ends: then they are lost."""
        refused = [each for each in batch if each[1] is not None]
        rest = [each for each in batch if each[1] is None]
        _tell(refused, DeedsMustBeKept("the database does not answer; try again"))
        if self._ending.is_set():
            log.critical("deeds are lost: the database did not answer in time", deeds=len(rest))
            return
        self._queue.extendleft(reversed(rest))

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url, application="daybook deeds")
        return self._connection

    def _lose(self, error: Exception) -> None:
        log.warning("the connection of deeds was lost", error=repr(error).strip())
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def keeping(url: str) -> Iterator[DeedKeeper]:
    """A keeper that works until the block ends."""
    keeper = DeedKeeper(url).start()
    try:
        yield keeper
    finally:
        keeper.stop()


def keep_now(url: str, deed: Deed) -> bool:
    """Write one deed down, in the calling thread; False when the database can only be read. Raises ActMustBeKept."""
    try:
        with connect(url, application="daybook deeds") as connection:
            _copy(connection, [deed])
    except ReadOnlySqlTransaction:
        return False
    except UndefinedTable:
        raise ActMustBeKept("the schema is older than this Daybook: run `daybook migrate`") from None
    except psycopg.OperationalError as error:
        raise ActMustBeKept(f"the database does not answer: {str(error).strip().splitlines()[0]}") from None
    return True


def _copy(connection: psycopg.Connection[Any], deeds: Sequence[Deed]) -> None:
    """All or none of them. Who does not know how far the log reaches is told here."""
    if not all(deed.log_position for deed in deeds):
        end, _ = last_row(connection)
        deeds = [deed if deed.log_position else structs.replace(deed, log_position=end) for deed in deeds]
    with connection.transaction(), connection.cursor().copy(_COPY) as copy:
        for deed in deeds:
            copy.write_row(structs.astuple(deed))


def _is_there(connection: psycopg.Connection[Any], deed: Deed) -> bool:
    return connection.execute(_IS_THERE, (deed.deed_id,)).fetchone() is not None


def _tell(batch: Sequence[Waiting], error: Exception | None) -> None:
    for _, written in batch:
        if written is None or not written.set_running_or_notify_cancel():
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
