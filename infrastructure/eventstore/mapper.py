"""Events to stored rows and back, typed: rubbish in the store is refused on reading."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent

from domain.aggregate import Event
from domain.facts import KINDS, TOPICS, UPCASTS

encode_event = msgspec.json.Encoder().encode


class EventIsUnreadable(Exception):
    """A stored event has an unknown topic or a state that does not fit it."""


class _Decoders(dict[str, Callable[[bytes], Event]]):
    """By topic; made when first needed."""

    def __missing__(self, topic: str) -> Callable[[bytes], Event]:
        if topic not in KINDS:
            raise EventIsUnreadable(f"no event is called {topic}")
        decode = self[topic] = msgspec.json.Decoder(KINDS[topic]).decode
        return decode


_decoders = _Decoders()


def decode_event(topic: str, state: bytes) -> Event:
    """The event of a stored row, brought up to its present version. Raises EventIsUnreadable."""
    try:
        if topic in UPCASTS:
            return _upcast(topic, state)
        return _decoders[topic](state)
    except msgspec.MsgspecError as error:
        raise EventIsUnreadable(f"a stored {topic} does not read: {error}") from error


def _upcast(topic: str, state: bytes) -> Event:
    fields: dict[str, Any] = msgspec.json.decode(state)
    name, _, version = topic.partition(":")
    number = int(version or 1)
    while topic in UPCASTS:
        fields = UPCASTS[topic](fields)
        number += 1
        topic = f"{name}:{number}"
    return msgspec.convert(fields, KINDS[topic])


class StructMapper(Mapper[UUID]):
    """The library's mapper, for msgspec structs (its MAPPER_TOPIC)."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The row of an event: its stored name and its JSON."""
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=TOPICS[type(domain_event)],
            state=encode_event(domain_event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event of a row."""
        return decode_event(stored_event.topic, stored_event.state)
