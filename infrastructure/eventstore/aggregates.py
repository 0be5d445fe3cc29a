"""Many aggregates at once: the newest snapshot of each, and the events after it."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from application.commands import Stream
from domain.aggregate import Aggregate
from domain.facts import AGGREGATES
from infrastructure.eventstore.mapper import EventIsUnreadable, decode_event
from infrastructure.postgres import arrays

SNAPSHOT_VERSION = 2
"""Raised when an aggregate's fields change, so that older snapshots are left alone."""

SNAPSHOT_TOPICS = {kind: f"{kind.__name__}/{SNAPSHOT_VERSION}" for kind in AGGREGATES}
_DECODERS = {topic: msgspec.json.Decoder(kind) for kind, topic in SNAPSHOT_TOPICS.items()}

_SNAPSHOTS = (
    "SELECT DISTINCT ON (originator_id) originator_id, topic, state FROM stored_snapshots"
    " WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version DESC"
)
_EVENTS = (
    "SELECT want.number::int4, e.topic, e.state FROM unnest(%b, %b) WITH ORDINALITY AS want(id, version, number)"
    " JOIN stored_events e ON e.originator_id = want.id AND e.originator_version > want.version"
    " ORDER BY want.number, e.originator_version"
)


def load_aggregates(connection: Connection[Any], streams: Iterable[Stream]) -> dict[UUID, Aggregate]:
    """The aggregates of these streams, as of now; those without events are missing."""
    kinds = {stream_id: kind for kind, stream_id in streams}
    ids = list(kinds)
    found = _from_snapshots(connection, ids)
    versions = [found[i].version if i in found else 0 for i in ids]
    wanted = (arrays.uuids(ids), arrays.int8s(versions))
    rows = connection.execute(_EVENTS, wanted, prepare=True, binary=True)
    for number, topic, state in rows:
        event = decode_event(topic, state)
        aggregate = found.get(event.originator_id)
        if aggregate is None:
            kind, account_id = kinds[ids[number - 1]], event.account_id
            aggregate = found[event.originator_id] = kind(id=event.originator_id, account_id=account_id)
        aggregate.evolve(event)
    return found


def encode_snapshot(aggregate: Aggregate) -> tuple[UUID, int, str, bytes]:
    """The row of a snapshot: id, version, topic and state."""
    topic = SNAPSHOT_TOPICS[type(aggregate)]
    return aggregate.id, aggregate.version, topic, msgspec.json.encode(aggregate)


def _from_snapshots(connection: Connection[Any], ids: list[UUID]) -> dict[UUID, Aggregate]:
    found: dict[UUID, Aggregate] = {}
    for originator_id, topic, state in connection.execute(_SNAPSHOTS, (ids,)).fetchall():
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
