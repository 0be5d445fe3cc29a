"""Columns as PostgreSQL arrays in binary form, built in one go.

psycopg builds an array element by element in Python, which was half of what the committer did. Here a column
of n values is one `bytes`: a header (dimensions, element type, length) and each element with its length.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

_INT8, _TEXT, _BYTEA, _UUID, _TIMESTAMPTZ = 20, 25, 17, 2950, 1184
_ARRAY_OF = {_INT8: 1016, _TEXT: 1009, _BYTEA: 1001, _UUID: 2951, _TIMESTAMPTZ: 1185}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here

_header = Struct("!iiIii").pack
_length = Struct("!i").pack
_int8 = Struct("!iq").pack
_pack_int8, _unpack_int8 = Struct("!q").pack, Struct("!q").unpack
_UUID_LENGTH = 16 << 128  # before an id's 128 bits


class _Lengths(dict[int, bytes]):
    """The four bytes that say how long an element is, made beforehand for all but long ones."""

    def __missing__(self, length: int) -> bytes:
        return _length(length)


_lengths = _Lengths({length: _length(length) for length in range(4096)}).__getitem__


class Column:
    """One parameter, ready to be sent: an array, unless it says otherwise."""

    __slots__ = ("data",)
    oid = 0

    def __init__(self, data: bytes) -> None:
        self.data = data


class Int8(Column):
    """bigint, one"""

    oid = _INT8


class Time(Column):
    """timestamptz, one"""

    oid = _TIMESTAMPTZ


class Int8s(Column):
    """bigint[]"""

    oid = _ARRAY_OF[_INT8]


class Texts(Column):
    """text[]"""

    oid = _ARRAY_OF[_TEXT]


class Byteas(Column):
    """bytea[]"""

    oid = _ARRAY_OF[_BYTEA]


class Uuids(Column):
    """uuid[]"""

    oid = _ARRAY_OF[_UUID]


class Times(Column):
    """timestamptz[]"""

    oid = _ARRAY_OF[_TIMESTAMPTZ]


def int8(value: int) -> Int8:
    """A whole number."""
    return Int8(_pack_int8(value))


def time(value: datetime) -> Time:
    """A moment."""
    return Time(_pack_int8(_microseconds(value)))


def moment(data: bytes) -> datetime:
    """The moment that PostgreSQL sends as these bytes."""
    return _EPOCH + timedelta(microseconds=_unpack_int8(data)[0])


def int8s(values: Sequence[int]) -> Int8s:
    """A column of whole numbers."""
    return Int8s(_array(_INT8, len(values), [_int8(8, value) for value in values]))


def times(values: Sequence[datetime]) -> Times:
    """A column of moments."""
    encoded = {value: _int8(8, _microseconds(value)) for value in set(values)}
    return Times(_array(_TIMESTAMPTZ, len(values), [encoded[value] for value in values]))


def uuids(values: Sequence[UUID]) -> Uuids:
    """A column of ids."""
    return Uuids(_array(_UUID, len(values), [(_UUID_LENGTH | value.int).to_bytes(20) for value in values]))


def byteas(values: Sequence[bytes]) -> Byteas:
    """A column of bytes."""
    return Byteas(_array(_BYTEA, len(values), _with_lengths(values)))


def texts(values: Sequence[bytes]) -> Texts:
    """A column of texts, given as UTF-8. Raises ValueError for a NUL, which PostgreSQL cannot hold."""
    if b"\x00" in b"".join(values):
        raise ValueError("a text cannot hold the character NUL")
    return Texts(_array(_TEXT, len(values), _with_lengths(values)))


def column(sql_type: str, values: Sequence[Any]) -> Column:
    """A column of any type a read table has, None for NULL.

    Numbers with places, days, truth values and JSON go as text: the statement casts them, see `cast_of`.
    """
    kind, element, encode = _KINDS[sql_type]
    known = [value for value in values if value is not None]
    if len(known) == len(values):
        return kind(_array(element, len(values), encode(known)))
    there = iter(encode(known))
    parts = [_NULL if value is None else next(there) for value in values]
    return kind(_array(element, len(values), parts, has_null=True))


def cast_of(sql_type: str) -> str:
    """What a parameter made by `column` must be cast to in the statement."""
    return f"::text[]::{sql_type}[]" if _KINDS[sql_type][0] is Texts else f"::{sql_type}[]"


def register(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    """Let the connection send these columns as they are."""
    for kind in (Int8s, Texts, Byteas, Uuids, Times):
        connection.adapters.register_dumper(kind, _dumper_of(kind))


def _dumper_of(kind: type[Column]) -> type[Dumper]:
    class AsIs(Dumper):
        oid = kind.oid
        format = Format.BINARY

        def dump(self, obj: Column) -> bytes:
            return obj.data

    return AsIs


def _array(element: int, count: int, parts: Iterable[bytes], *, has_null: bool = False) -> bytes:
    if not count:
        return _header(0, 0, element, 0, 1)[:12]
    return _header(1, has_null, element, count, 1) + b"".join(parts)


def _with_lengths(values: Sequence[bytes]) -> list[bytes]:
    parts = [b""] * (2 * len(values))
    parts[::2] = map(_lengths, map(len, values))
    parts[1::2] = values
    return parts


def _microseconds(moment: datetime) -> int:
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


_NULL = _length(-1)
_MICROSECOND = timedelta(microseconds=1)


def _int8_elements(values: Sequence[int]) -> list[bytes]:
    return [_int8(8, value) for value in values]


def _uuid_elements(values: Sequence[UUID]) -> list[bytes]:
    return [(_UUID_LENGTH | value.int).to_bytes(20, "big") for value in values]


def _time_elements(values: Sequence[datetime]) -> list[bytes]:
    return [_int8(8, (value - _EPOCH) // _MICROSECOND) for value in values]


def _text_elements(values: Sequence[Any]) -> list[bytes]:
    encoded = [str(value).encode() for value in values]
    if b"\x00" in b"".join(encoded):
        raise ValueError("a text cannot hold the character NUL")
    return [_length(len(value)) + value for value in encoded]


def _json_elements(values: Sequence[Any]) -> list[bytes]:
    return [_length(len(value)) + value for value in map(msgspec.json.encode, values)]


_KINDS: dict[str, tuple[type[Column], int, Callable[[Sequence[Any]], list[bytes]]]] = {
    "bigint": (Int8s, _INT8, _int8_elements),
    "uuid": (Uuids, _UUID, _uuid_elements),
    "timestamptz": (Times, _TIMESTAMPTZ, _time_elements),
    "text": (Texts, _TEXT, _text_elements),
    "numeric": (Texts, _TEXT, _text_elements),
    "date": (Texts, _TEXT, _text_elements),
    "boolean": (Texts, _TEXT, _text_elements),
    "jsonb": (Texts, _TEXT, _json_elements),
}
"""By SQL type, what makes elements with their lengths of values without NULL."""
