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
    stored, fields = topic, _fields(state)
    while topic in UPCASTS:
        try:
            fields = UPCASTS[topic](fields)
        except Exception as error:
            raise EventIsUnreadable(
                f"a stored {stored} cannot be brought up from {topic}: {error!r}"
            ) from error
        topic = _next_version(topic)
    if topic not in KINDS:
        raise EventIsUnreadable(f"a stored {stored} is brought up to {topic}, and no event is called so")
    return msgspec.convert(fields, KINDS[topic])


_fields = msgspec.json.Decoder(dict[str, Any]).decode


def _next_version(topic: str) -> str:
    name, _, version = topic.partition(":")
    return f"{name}:{int(version or 1) + 1}"


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
