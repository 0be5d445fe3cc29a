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
from infrastructure.postgres.together import Together

SNAPSHOT_VERSION = 5
"""Raised when an aggregate's fields change, so that older snapshots are left alone."""

SNAPSHOT_TOPICS = {kind: f"{kind.__name__}/{SNAPSHOT_VERSION}" for kind in AGGREGATES}
_DECODERS = {topic: msgspec.json.Decoder(kind) for kind, topic in SNAPSHOT_TOPICS.items()}

_KINDS = {kind.__name__: kind for kind in AGGREGATES}

_TOPICS = ", ".join(f"'{topic}'" for topic in _DECODERS)

CHUNK = 200
"""Rows of long streams that are folded while the next are on their way."""

SHORT = 64
"""So many events of each stream come at once; what is longer follows in chunks, so that it is never in memory as a whole."""

# In one statement, so that events and snapshot fit together also while somebody stores a newer snapshot.
_SHORT = (
    "WITH want AS MATERIALIZED (SELECT w.number, w.id, s.originator_version, s.topic, s.state"
    " FROM unnest(%b) WITH ORDINALITY AS w(id, number) LEFT JOIN LATERAL (SELECT * FROM stored_snapshots"
    f" WHERE originator_id = w.id AND topic IN ({_TOPICS})"
    " ORDER BY originator_version DESC LIMIT 1) AS s ON true)"
    " SELECT number::int4, originator_version, topic, state FROM want WHERE topic IS NOT NULL UNION ALL"
    " SELECT w.number::int4, e.originator_version, e.topic, e.state FROM want w, LATERAL (SELECT * FROM stored_events"
    " WHERE originator_id = w.id AND originator_version > coalesce(w.originator_version, 0)"
    f" ORDER BY originator_version LIMIT {SHORT}) AS e ORDER BY 1, 2"
)
_REST = (
    "SELECT want.number::int4, e.originator_version, e.topic, e.state"
    " FROM unnest(%b, %b) WITH ORDINALITY AS want(id, version, number)"
    " JOIN stored_events e ON e.originator_id = want.id AND e.originator_version > want.version"
    " ORDER BY want.number, e.originator_version"
)
_ARCHIVED = (
    "SELECT * FROM (SELECT want.id, (SELECT max(last_version) FROM archived_streams WHERE originator_id = want.id)"
    " AS last_version FROM unnest(%b) AS want(id)) AS them WHERE last_version IS NOT NULL"
)


def load_aggregates(
    connection: Connection[Any], streams: Iterable[Stream], *, together: Together | None = None
) -> dict[UUID, Aggregate]:
    """The aggregates of these streams, as of now; those without events are missing.

    With the connection's `together` it is one round trip, unless a stream is long or archived. Not to be called in a
    pipeline. Raises EventIsUnreadable or ArchiveMustBeReadable.
    """
    wanted = list({stream_id: (kind, stream_id) for kind, stream_id in streams}.values())
    found: dict[UUID, Aggregate] = {}
    rows, archived = _look(connection, [stream_id for _, stream_id in wanted], together)
    counts, torn = _fold(rows, wanted, found)
    torn |= _behind(archived, found)
    long = [
        stream
        for stream, count in zip(wanted, counts, strict=True)
        if count == SHORT and stream[1] not in torn
    ]
    if long:
        torn |= _fold_rest(connection, long, found)
    for stream in wanted:
        if stream[1] in torn:
            _fold_whole(connection, stream, found)
    return found


def _look(connection: Connection[Any], ids: list[UUID], together: Together | None) -> list[list[Any]]:
    """Snapshots and first events; what the archive has, asked after them: what was moved in between is seen there."""
    wanted = (arrays.uuids(ids),)
    if together is not None:
        results = together.run((_SHORT, wanted), (_ARCHIVED, wanted))
        return [together.rows(result) for result in results]
    asked = (
        connection.execute(sql.encode(), wanted, prepare=True, binary=True) for sql in (_SHORT, _ARCHIVED)
    )
    return [cursor.fetchall() for cursor in asked]


def _fold(
    rows: Iterable[Any], streams: Sequence[Stream], found: dict[UUID, Aggregate]
) -> tuple[list[int], set[UUID]]:
    """How many events each stream has here, and the streams whose events do not follow what is known: they are left
    as they were.
    """
    counts, torn = [0] * len(streams), set[UUID]()
    number, is_begun = 0, False
    aggregate: Any = None
    for its_number, version, topic, state in rows:
        if its_number != number:
            number, is_begun = its_number, False
            if topic in _DECODERS:
                found[streams[number - 1][1]] = _decode(_DECODERS[topic], topic, state)
                continue
        if not is_begun:
            is_begun = True
            aggregate = _following(streams[number - 1], version, topic, state, found)
            if aggregate is None:
                torn.add(streams[number - 1][1])
        counts[number - 1] += 1
        if aggregate is not None:
            aggregate.evolve(decode_slim(topic, state))
    return counts, torn


def _following(
    stream: Stream, version: int, topic: str, state: bytes, found: dict[UUID, Aggregate]
) -> Aggregate | None:
    """What an event goes on from; None when something is missing between."""
    is_next = version == _version(found, stream[1]) + 1
    return _begun(stream, topic, state, found) if is_next else None


def _fold_rest(connection: Connection[Any], streams: list[Stream], found: dict[UUID, Aggregate]) -> set[UUID]:
    """Go on with long streams. The ids of those that are torn, or went into the archive meanwhile."""
    ids = [stream_id for _, stream_id in streams]
    wanted = (arrays.uuids(ids), arrays.int8s([_version(found, stream_id) for stream_id in ids]))
    with connection.cursor() as cursor:
        # A chunk is folded while PostgreSQL prepares the next, and a long stream is never in memory as a whole.
        rows = cursor.stream(_REST, wanted, binary=True, size=CHUNK)
        try:
            _, torn = _fold(rows, streams, found)
        finally:
            deque(rows, maxlen=0)  # left alone, the rest would be cancelled, and the transaction with it
    archived = connection.execute(_ARCHIVED, (arrays.uuids(ids),), prepare=True, binary=True)
    return torn | _behind(archived.fetchall(), found)


def _behind(archived: Iterable[Any], found: dict[UUID, Aggregate]) -> set[UUID]:
    """The streams that have events in the archive which are not yet in what was found."""
    return {stream_id for stream_id, last_version in archived if last_version > _version(found, stream_id)}


def _version(found: dict[UUID, Aggregate], stream_id: UUID) -> int:
    return found[stream_id].version if stream_id in found else 0


def _fold_whole(connection: Connection[Any], stream: Stream, found: dict[UUID, Aggregate]) -> None:
    for row in read_stream(connection, stream[1], after=_version(found, stream[1])):
        _begun(stream, row.topic, row.state, found).evolve(row.event())


def _begun(stream: Stream, topic: str, state: bytes, found: dict[UUID, Aggregate]) -> Aggregate:
    """The aggregate of a stream as far as it is known, blank if that is not at all. It is of the kind that its events are
    of: a stranger may ask for an order by the id of an account.
    """
    asked, stream_id = stream
    if stream_id not in found:
        kind = _KINDS.get(topic.partition(".")[0], asked)
        found[stream_id] = kind(id=stream_id, account_id=decode_event(topic, state).account_id)
    return found[stream_id]


def encode_snapshot(aggregate: Aggregate) -> tuple[UUID, int, str, bytes]:
    """The row of a snapshot: id, version, topic and state."""
    topic = SNAPSHOT_TOPICS[type(aggregate)]
    return aggregate.id, aggregate.version, topic, msgspec.json.encode(aggregate)


def _decode(decoder: msgspec.json.Decoder[Any], topic: str, state: bytes) -> Aggregate:
    try:
        aggregate: Aggregate = decoder.decode(state)
    except msgspec.MsgspecError as error:
        raise EventIsUnreadable(f"a stored snapshot {topic} does not read: {error}") from error
    return aggregate
