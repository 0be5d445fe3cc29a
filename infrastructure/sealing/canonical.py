"""The canonical bytes of an event: what is hashed into its leaf.

They are the row as PostgreSQL sends it by COPY (FORMAT BINARY), which has not changed since version 7.4, so that hashing a log
needs no decoding. Everything is big-endian:

    2 bytes     number of fields, 8
    8 times     4 bytes length, then so many bytes:
      notification_id      8 bytes, a signed number
      originator_id        16 bytes
      originator_version   8 bytes, a signed number
      topic                UTF-8
      state                the bytes as stored
      account_id           16 bytes
      recorded_at          8 bytes, signed: microseconds since 2000-01-01T00:00:00Z
      metadata             the JSON text as stored, UTF-8
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct as Packer
from uuid import UUID

from msgspec import Raw, Struct

COLUMNS = (
    "notification_id, originator_id, originator_version, topic, state, account_id, recorded_at, metadata"
)
"""In this order, and no others: a column that is added later is not part of format 1."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_count = Packer("!h")
_length = Packer("!i")
_number = Packer("!q")
_POSITION_AT = 6  # after the number of fields and the first length


class NotCanonical(ValueError):
    """These bytes are not those of an event."""


class LogEntry(Struct, frozen=True, kw_only=True):
    """An event, read out of its canonical bytes. `state` and `metadata` are the JSON as stored."""

    log_position: int
    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes
    account_id: UUID
    recorded_at: datetime
    metadata: Raw


def position_of(canonical: bytes) -> int:
    """The log position alone."""
    position: int = _number.unpack_from(canonical, _POSITION_AT)[0]
    return position


def canonical_of(event: LogEntry) -> bytes:
    """The canonical bytes of an event that comes from elsewhere than COPY, such as an archive."""
    return canonical_of_fields(
        (
            _number.pack(event.log_position),
            event.originator_id.bytes,
            _number.pack(event.originator_version),
            event.topic.encode(),
            event.state,
            event.account_id.bytes,
            _number.pack((event.recorded_at - _EPOCH) // _MICROSECOND),
            bytes(event.metadata),
        )
    )


def canonical_of_fields(fields: Sequence[bytes]) -> bytes:
    """The fields, each with its length."""
    parts = [part for field in fields for part in (_length.pack(len(field)), field)]
    return _count.pack(len(fields)) + b"".join(parts)


def event_of(canonical: bytes) -> LogEntry:
    """What the bytes say. Raises NotCanonical."""
    position, stream, version, topic, state, account, moment, metadata = _fields(canonical)
    try:
        return LogEntry(
            log_position=_number.unpack(position)[0],
            originator_id=UUID(bytes=stream),
            originator_version=_number.unpack(version)[0],
            topic=topic.decode(),
            state=state,
            account_id=UUID(bytes=account),
            recorded_at=_EPOCH + _number.unpack(moment)[0] * _MICROSECOND,
            metadata=Raw(metadata),
        )
    except (struct.error, ValueError, OverflowError) as error:
        raise NotCanonical(f"a field cannot be read: {error}") from error


def _fields(canonical: bytes) -> list[bytes]:
    if canonical[: _count.size] != b"\x00\x08":
        raise NotCanonical("an event has eight fields")
    found, at = [], _count.size
    for _ in range(8):
        begin = at + _length.size
        length = int.from_bytes(canonical[at:begin], "big")
        at = begin + length
        if at > len(canonical):
            raise NotCanonical("the bytes end in the middle of a field")
        found.append(canonical[begin:at])
    if at != len(canonical):
        raise NotCanonical("there are bytes after the last field")
    return found
