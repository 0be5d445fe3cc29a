"""Seals in the database: written with their blocks in one transaction, and never changed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Connection

from infrastructure.sealing.merkle import BLOCK, WIDTH, Frontier, KeptHashes
from infrastructure.sealing.seals import Sealed, SealIsWrong, sealed_of

PAGE = 20  # a seal of 10,000 events has 320 kB of leaves

_COLUMNS = "number, count, last_position, seal, signature, leaves"
_LAST = f"SELECT {_COLUMNS} FROM seals ORDER BY number DESC LIMIT 1"
_ONE = f"SELECT {_COLUMNS} FROM seals WHERE number = %s"
_COVERING = f"SELECT {_COLUMNS} FROM seals WHERE last_position >= %s ORDER BY last_position, number LIMIT 1"
_AFTER = f"SELECT {_COLUMNS} FROM seals WHERE number > %s AND number <= %s ORDER BY number LIMIT {PAGE}"
_LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM seals"
_EVENTS = (
    "SELECT coalesce((SELECT count FROM seals WHERE last_position >= %s ORDER BY last_position, number LIMIT 1),"
    " (SELECT max(count) FROM seals), 0)"
    " - coalesce((SELECT max(count) FROM seals WHERE last_position < %s), 0)"
)
_INSERT = (
    "INSERT INTO seals (number, count, last_position, sealed_at, seal, signature, leaves)"
    " VALUES (%s, %s, %s, %s, %s, %s, %b)"
)
_INSERT_BLOCKS = (
    "INSERT INTO seal_blocks (number, hash)"
    " SELECT %s + n, substr(%b, n * 32 + 1, 32) FROM generate_series(0, %s - 1) AS n"
)
_LEAVES = (
    "SELECT count - octet_length(leaves) / 32, leaves FROM seals"
    " WHERE number BETWEEN (SELECT number FROM seals WHERE count > %s ORDER BY count, number LIMIT 1)"
    " AND (SELECT number FROM seals WHERE count >= %s ORDER BY count, number LIMIT 1) ORDER BY number"
)
_BLOCKS = (
    "INSERT INTO seal_blocks (number, hash)"
    " SELECT %s + n, substr(%b, n * 32 + 1, 32) FROM generate_series(0, %s - 1) AS n"
)
_LEAVES = (
    "SELECT count - octet_length(leaves) / 32, leaves FROM seals"
    " WHERE count > %s AND count - octet_length(leaves) / 32 < %s AND leaves <> '' ORDER BY number"
)
_BLOCKS = "SELECT string_agg(hash, '' ORDER BY number) FROM seal_blocks WHERE number >= %s AND number < %s"
_STANDING = (
    "SELECT coalesce(s.number, 0), coalesce(s.last_position, 0), s.sealed_at,"
    " published_number, bucket_number, failure, updated_at"
    " FROM sealing LEFT JOIN (SELECT number, last_position, sealed_at FROM seals ORDER BY number DESC LIMIT 1) s"
    " ON true"
)
STANDING = _STANDING.encode()


class SealingStanding(Struct, frozen=True, kw_only=True):
    """How far the log is sealed, and how far seals are published; `failure` says why it does not go on."""

    number: int
    log_position: int
    sealed_at: datetime | None
    published_number: int
    bucket_number: int | None
    failure: str | None
    updated_at: datetime


class SealStore:
    """The tables of seals, over one connection in autocommit."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def last(self) -> Sealed | None:
        """The last seal, if there is any."""
        return self._one(_LAST, ())

    def last_number(self) -> int:
        """The number of the last seal, 0 for none. It is not looked at."""
        return self._number(_LAST_NUMBER, ())

    def events_between(self, first: int, last: int) -> int:
        """How many events the seals with these log positions and those between have: for a progress, nothing more."""
        return self._number(_EVENTS, (last, first))

    def seal(self, number: int) -> Sealed | None:
        """A seal by its number."""
        return self._one(_ONE, (number,))

    def covering(self, log_position: int) -> Sealed | None:
        """The first seal that has the event at this position."""
        return self._one(_COVERING, (log_position,))

    def after(self, number: int, *, up_to: int) -> Iterator[Sealed]:
        """The seals after one, in order."""
        while rows := self._connection.execute(_AFTER, (number, up_to), binary=True).fetchall():
            for row in rows:
                sealed = _sealed(row)
                number = sealed.seal.number
                yield sealed

    def add(self, sealed: Sealed, blocks: bytes) -> None:
        """Keep a seal and the hashes of the blocks that it completes. Raises psycopg's UniqueViolation for a
        number that is taken.
        """
        seal, text = sealed.seal, sealed.text.decode()
        row = (seal.number, seal.count, seal.last_position, seal.sealed_at, text, sealed.signature)
        with self._connection.transaction():
            self._connection.execute(_INSERT, (*row, sealed.leaves))
            if blocks:
                number = len(blocks) // WIDTH
                first = seal.count // BLOCK - number
                self._connection.execute(_INSERT_BLOCKS, (first, blocks, number))

    def tree(self, count: int) -> Frontier:
        """The tree over the first `count` events, from kept hashes."""
        frontier, whole = Frontier(), count // BLOCK
        frontier.extend_by_blocks(self.blocks(0, whole))
        frontier.extend(self.leaves(whole * BLOCK, count))
        return frontier

    def hashes(self) -> KeptHashes:
        """What proofs are made of."""
        return KeptHashes(blocks=self.blocks, leaves=self.leaves)

    def blocks(self, first: int, last: int) -> bytes:
        """The hashes of blocks by number, last exclusive."""
        row = self._connection.execute(_BLOCKS, (first, last), binary=True).fetchone()
        return bytes(row[0]) if row and row[0] is not None else b""

    def leaves(self, first: int, last: int) -> bytes:
        """The leaf hashes of events counted from 0, last exclusive."""
        parts = []
        for begin, leaves in self._connection.execute(_LEAVES, (first, last), binary=True):
            low, high = max(first - begin, 0), max(last - begin, 0)
            parts.append(bytes(leaves)[low * WIDTH : high * WIDTH])
        return b"".join(parts)

    def standing(self) -> SealingStanding:
        """How far sealing has come."""
        return standing_of(self._connection.execute(STANDING).fetchone() or ())

    def note(self, **columns: Any) -> None:
        """Write down how far publishing has come, or a failure. Nothing is lost with it, so nothing waits for the disk."""
        names = ", ".join(f"{name} = %({name})s" for name in columns)
        with self._connection.transaction():
            self._connection.execute("SET LOCAL synchronous_commit = off")
            self._connection.execute(f"UPDATE sealing SET {names}, updated_at = now()".encode(), columns)

    def _number(self, sql: str, parameters: tuple[Any, ...]) -> int:
        row = self._connection.execute(sql.encode(), parameters).fetchone()
        return 0 if row is None else int(row[0])

    def _one(self, sql: str, parameters: tuple[Any, ...]) -> Sealed | None:
        row = self._connection.execute(sql.encode(), parameters, binary=True).fetchone()
        return None if row is None else _sealed(row)


def standing_of(row: tuple[Any, ...]) -> SealingStanding:
    """A row of STANDING."""
    return SealingStanding(**dict(zip(SealingStanding.__struct_fields__, row, strict=True)))


def _sealed(row: tuple[Any, ...]) -> Sealed:
    """Raises SealIsWrong for what cannot be read, or stands beside a seal and is not what that says."""
    number, count, last_position, text, signature, leaves = row
    try:
        sealed = sealed_of(text.encode(), bytes(signature), bytes(leaves))
    except msgspec.MsgspecError as error:
        raise SealIsWrong(number, f"cannot be read in the database: {error}") from error
    seal = sealed.seal
    if (seal.number, seal.count, seal.last_position) != (number, count, last_position):
        raise SealIsWrong(number, "has other numbers beside it in the database than in it")
    return sealed
