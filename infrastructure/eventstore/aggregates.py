"""Many aggregates at once: the newest snapshot of each, and the events after it.

What PostgreSQL sends is the whole of a stream unless its versions have a gap or none of its events are there; then the
archive is asked, so that an old stream without a snapshot is neither blank nor half.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from application.commands import Stream
from domain.aggregate import Aggregate
from domain.facts import AGGREGATES
from infrastructure.eventstore.log import read_stream
from infrastructure.eventstore.mapper import EventIsUnreadable, decode_event
from infrastructure.eventstore.replaying import decode_slim
from infrastructure.postgres import arrays

SNAPSHOT_VERSION = 5
"""Raised when an aggregate's fields change, so that older snapshots are left alone."""

SNAPSHOT_TOPICS = {kind: f"{kind.__name__}/{SNAPSHOT_VERSION}" for kind in AGGREGATES}
_DECODERS = {topic: msgspec.json.Decoder(kind) for kind, topic in SNAPSHOT_TOPICS.items()}

CHUNK = 200
"""Rows that are folded while the next are on their way."""

_SNAPSHOTS = (
    "SELECT DISTINCT ON (originator_id) originator_id, topic, state FROM stored_snapshots"
    " WHERE originator_id = ANY(%b) ORDER BY originator_id, originator_version DESC"
)
_EVENTS = (
    "SELECT want.number::int4, e.topic, e.state FROM unnest(%b, %b) WITH ORDINALITY AS want(id, version, number)"
    " JOIN stored_events e ON e.originator_id = want.id AND e.originator_version > want.version"
    " ORDER BY want.number, e.originator_version"
)
_ARCHIVED = (
    "SELECT want.id FROM unnest(%b, %b) AS want(id, version) WHERE EXISTS"
    " (SELECT FROM archived_streams a WHERE a.originator_id = want.id AND a.last_version > want.version)"
)


def load_aggregates(connection: Connection[Any], streams: Iterable[Stream]) -> dict[UUID, Aggregate]:
    """The aggregates of these streams, as of now; those without events are missing.

    Not to be called in a pipeline. Raises EventIsUnreadable or ArchiveMustBeReadable.
    """
    kinds = {stream_id: kind for kind, stream_id in streams}
    ids = list(kinds)
    found = _from_snapshots(connection, ids)
    versions = [found[i].version if i in found else 0 for i in ids]
    wanted = (arrays.uuids(ids), arrays.int8s(versions))
    with connection.cursor() as cursor:
        # A chunk is folded while PostgreSQL prepares the next, and a long stream is never in memory as a whole.
        rows = cursor.stream(_EVENTS, wanted, binary=True, size=CHUNK)
        try:
            seen, torn = _fold(rows, [(kinds[i], i) for i in ids], found)
        finally:
            deque(rows, maxlen=0)  # left alone, the rest would be cancelled, and the transaction with it
    for stream_id in torn | _archived(connection, [i for i in ids if i not in seen], found):
        _fold_whole(connection, (kinds[stream_id], stream_id), found)
    return found


def _fold(
    rows: Iterable[Any], streams: Sequence[Stream], found: dict[UUID, Aggregate]
) -> tuple[set[UUID], set[UUID]]:
    """The streams that have rows, and those among them whose rows do not follow what is known: they are left as they were."""
    number = 0
    aggregate: Any = None
    seen: set[UUID] = set()
    torn: set[UUID] = set()
    for its_number, topic, state in rows:
        event = decode_slim(topic, state)
        if its_number != number:
            number, stream = its_number, streams[its_number - 1]
            seen.add(stream[1])
            aggregate = None
            if event.originator_version == _version(found, stream[1]) + 1:
                aggregate = _begun(stream, topic, state, found)
            else:
                torn.add(stream[1])
        if aggregate is not None:
            aggregate.evolve(event)
    return seen, torn


def _version(found: dict[UUID, Aggregate], stream_id: UUID) -> int:
    return found[stream_id].version if stream_id in found else 0


def _archived(connection: Connection[Any], ids: list[UUID], found: dict[UUID, Aggregate]) -> set[UUID]:
    """Those of these streams that have events in the archive which are not yet in what was found."""
    if not ids:
        return set()
    versions = [_version(found, i) for i in ids]
    rows = connection.execute(
        _ARCHIVED, (arrays.uuids(ids), arrays.int8s(versions)), prepare=True, binary=True
    )
    return {row[0] for row in rows.fetchall()}


def _fold_whole(connection: Connection[Any], stream: Stream, found: dict[UUID, Aggregate]) -> None:
    for row in read_stream(connection, stream[1], after=_version(found, stream[1])):
        _begun(stream, row.topic, row.state, found).evolve(row.event())


def _begun(stream: Stream, topic: str, state: bytes, found: dict[UUID, Aggregate]) -> Aggregate:
    """The aggregate of a stream as far as it is known, blank if that is not at all."""
    kind, stream_id = stream
    if stream_id not in found:
        found[stream_id] = kind(id=stream_id, account_id=decode_event(topic, state).account_id)
    return found[stream_id]


def encode_snapshot(aggregate: Aggregate) -> tuple[UUID, int, str, bytes]:
    """The row of a snapshot: id, version, topic and state."""
    topic = SNAPSHOT_TOPICS[type(aggregate)]
    return aggregate.id, aggregate.version, topic, msgspec.json.encode(aggregate)


def _from_snapshots(connection: Connection[Any], ids: list[UUID]) -> dict[UUID, Aggregate]:
    found: dict[UUID, Aggregate] = {}
    rows = connection.execute(_SNAPSHOTS, (arrays.uuids(ids),), prepare=True, binary=True)
    for originator_id, topic, state in rows.fetchall():
        decoder = _DECODERS.get(topic)
        if decoder is not None:
            found[originator_id] = _decode(decoder, topic, state)
    return found


def _decode(decoder: msgspec.json.Decoder[Any], topic: str, state: bytes) -> Aggregate:
    try:
        aggregate: Aggregate = decoder.decode(state)
    except msgspec.MsgspecError as error:
        raise EventIsUnreadable(f"a stored snapshot {topic} does not read: {error}") from error
    return aggregate
