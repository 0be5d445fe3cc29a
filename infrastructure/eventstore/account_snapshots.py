"""Snapshots of whole accounts: kept by the scheduler, read by questions about the past.

Each is what the fold of the account's events came to. It belongs to the code that folded it: once a line of that has
changed, the snapshot is left alone by readers and thrown away by the scheduler. Nothing in it names a person but by id.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from psycopg import Connection

import application.effect
import application.history
import domain.aggregate
from application.effect import is_dated
from application.history import AccountSnapshot, Standing
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore import mapper
from infrastructure.eventstore.log import COLUMNS, Recorded, last_row, rows_of
from infrastructure.eventstore.mapper import EventIsUnreadable
from infrastructure.postgres.connections import connect

log = structlog.get_logger()

LOOKED_AT = 64
"""Of so many events one has its account looked at: often enough that none goes on for long without a snapshot."""

PATIENCE_S = 2.0
"""So long is worked in one turn; the rest is done in the next ones."""

CHUNK = 1000

_NEW = (
    "SELECT DISTINCT account_id FROM stored_events"
    " WHERE notification_id > %s AND notification_id <= %s AND notification_id %% %s = 0"
)
_IS_DUE = (
    "SELECT FROM stored_events WHERE account_id = %s AND notification_id > %s AND notification_id <= %s"
    " ORDER BY notification_id OFFSET %s LIMIT 1"
)
_AFTER = (
    f"SELECT {COLUMNS} FROM stored_events WHERE account_id = %s AND notification_id > %s AND notification_id <= %s"
    " ORDER BY notification_id"
)
_KEEP = (
    "INSERT INTO account_snapshots (account_id, version, log_position, recorded_at, dated, state)"
    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_OF_ACCOUNT = (
    "SELECT log_position, dated, state FROM account_snapshots WHERE account_id = %s AND version = %s"
)
_LAST = {  # by which bounds there are, so that an index leads to the one row
    (False, False): f"{_OF_ACCOUNT} ORDER BY log_position DESC LIMIT 1",
    (True, False): f"{_OF_ACCOUNT} AND log_position <= %s ORDER BY log_position DESC LIMIT 1",
    (
        False,
        True,
    ): f"{_OF_ACCOUNT} AND recorded_at <= %s ORDER BY recorded_at DESC, log_position DESC LIMIT 1",
    (True, True): f"{_OF_ACCOUNT} AND log_position <= %s AND recorded_at <= %s"
    " ORDER BY recorded_at DESC, log_position DESC LIMIT 1",
}
_FIRST_AFTER = (
    "SELECT log_position FROM account_snapshots WHERE account_id = %s AND version = %s AND recorded_at > %s"
    " ORDER BY recorded_at, log_position LIMIT 1"
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AccountSnapshot).decode


class Kept(Struct, frozen=True):
    """A snapshot as it is stored: of the account after the event at `log_position`. `dated` are the log positions of
    the events up to there that may count to another time than their own.
    """

    log_position: int
    dated: list[int]
    state: bytes

    def standing(self) -> Standing:
        """The account then. Raises EventIsUnreadable."""
        try:
            return Standing.of(_decode(self.state))
        except msgspec.MsgspecError as error:
            raise EventIsUnreadable(f"a stored snapshot of an account does not read: {error}") from error


class AccountSnapshots:
    """The snapshots of one account that this code may read."""

    def __init__(self, connection: Connection[Any], account_id: UUID) -> None:
        self._connection = connection
        self._key = (account_id, code_version())

    def last(self, *, up_to: int | None = None, at: datetime | None = None) -> Kept | None:
        """The last one up to a position and a moment, both inclusive."""
        sql = _LAST[up_to is not None, at is not None]
        bounds = [bound for bound in (up_to, at) if bound is not None]
        found = self._connection.execute(
            sql.encode(), (*self._key, *bounds), prepare=True, binary=True
        ).fetchone()
        return None if found is None else Kept(*found)

    def first_after(self, at: datetime) -> int | None:
        """Log position of the first one after a moment: nothing behind it was recorded by then."""
        found = self._connection.execute(_FIRST_AFTER, (*self._key, at), prepare=True).fetchone()
        return None if found is None else int(found[0])

    def keep(self, snapshot: AccountSnapshot, state: bytes, dated: Sequence[int]) -> None:
        """Store one, unless it is there."""
        place = (snapshot.log_position, snapshot.recorded_at, list(dated), state)
        self._connection.execute(_KEEP, (*self._key, *place))


class AccountSnapshotter:
    """Takes the snapshots that are due: one of an account each time `every` more of its events are in the log.

    One that is larger than the events since the one before waits for more of them, so that snapshots never take more
    room than the log. Call `take` from time to time.
    """

    def __init__(
        self, url: str, *, every: int, patience: float = PATIENCE_S, looked_at: int = LOOKED_AT
    ) -> None:
        self._url = url
        self._every = every
        self._patience = patience
        self._looked_at = looked_at
        self._position = 0
        self._waiting: list[UUID] = []
        self._is_cleared = False

    def take(self) -> int:
        """Take those that have become due since the last call, as far as the time allows. Returns how many."""
        deadline = time.monotonic() + self._patience
        with connect(self._url, application="daybook snapshots") as connection:
            self._clear(connection)
            end = self._look(connection)
            taken = 0
            while self._waiting and time.monotonic() < deadline:
                taken += self._take_all(connection, self._waiting[-1], end, deadline)
        if taken:
            log.info("took snapshots of accounts", snapshots=taken, log_position=end)
        return taken

    def _clear(self, connection: Connection[Any]) -> None:
        """Throw away what other code has kept, once."""
        if not self._is_cleared:
            connection.execute("DELETE FROM account_snapshots WHERE version <> %s", (code_version(),))
            self._is_cleared = True

    def _look(self, connection: Connection[Any]) -> int:
        """See whose events are new."""
        end = last_row(connection)[0]
        found = connection.execute(_NEW, (self._position, end, self._looked_at)).fetchall()
        self._waiting = list({*self._waiting, *(account_id for (account_id,) in found)})
        self._position = end
        return end

    def _take_all(self, connection: Connection[Any], account_id: UUID, end: int, deadline: float) -> int:
        """Take the snapshots of the account at the end of those that wait; it waits on when the time is over."""
        kept = AccountSnapshots(connection, account_id)
        begin = kept.last()
        after = 0 if begin is None else begin.log_position
        taken = 0
        if connection.execute(_IS_DUE, (account_id, after, end, self._every - 1)).fetchone() is not None:
            rows = _stream(connection, account_id, after, end)
            for snapshot, state, dated in snapshots_of(account_id, rows, begin=begin, every=self._every):
                kept.keep(snapshot, state, dated)
                taken += 1
                if time.monotonic() >= deadline:
                    return taken
        self._waiting.pop()
        return taken


def snapshots_of(
    account_id: UUID, rows: Iterable[Recorded], *, begin: Kept | None, every: int
) -> Iterator[tuple[AccountSnapshot, bytes, list[int]]]:
    """The snapshots that are due while an account's further rows are folded: each with its bytes, and the positions of
    the dated events so far.
    """
    standing, dated = Standing(account_id), []
    if begin is not None:
        standing, dated = begin.standing(), list(begin.dated)
    passed = size = 0
    for row in rows:
        event = row.event()
        standing.go_on(((row.log_position, event),))
        if is_dated(event):
            dated.append(row.log_position)
        passed, size = passed + 1, size + len(row.state)
        if passed % every == 0 and standing.is_open:
            snapshot = standing.snapshot()
            state = _encode(snapshot)
            if len(state) <= size:
                yield snapshot, state, list(dated)
                size = 0


def _stream(connection: Connection[Any], account_id: UUID, after: int, end: int) -> Iterator[Recorded]:
    """An account's rows, some at a time, archived ones among them. Raises ArchiveMustBeReadable."""
    while True:
        hot = rows_of(
            connection.execute(f"{_AFTER} LIMIT {CHUNK}".encode(), (account_id, after, end), binary=True)
        )
        wanted = Wanted(account_id=account_id, after=after, up_to=end, limit=CHUNK)
        found = with_archived(connection, hot, wanted)
        yield from found
        if len(found) < CHUNK:
            return
        after = found[-1].log_position


@cache
def code_version() -> str:
    """Names the code that folds accounts: a digest of its text."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]


def _sources() -> list[Path]:
    whole = Path(str(domain.aggregate.__file__)).parent
    others = (application.effect, application.history, mapper)
    return [*sorted(whole.rglob("*.py")), *(Path(str(one.__file__)) for one in others), Path(__file__)]
