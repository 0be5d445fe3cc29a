"""Stored events as a fold needs them, read at two thirds of the cost.

Within one stream every event repeats the ids of the stream and of its account. A fold never looks at them, so
each kind of event gets a *slim* type without them: the same fields otherwise, and the same `apply`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from domain.aggregate import Event
from domain.facts import KINDS, UPCASTS
from infrastructure.eventstore.mapper import EventIsUnreadable, decode_event

SAID_BY_THE_STREAM = frozenset({"originator_id", "account_id"})


class _Decoders(dict[str, Callable[[bytes], Any]]):
    """By topic; made when first needed."""

    def __missing__(self, topic: str) -> Callable[[bytes], Any]:
        if topic not in KINDS:
            raise EventIsUnreadable(f"no event is called {topic}")
        decode = self[topic] = msgspec.json.Decoder(slim(KINDS[topic])).decode
        return decode


_decoders = _Decoders()


def decode_slim(topic: str, state: bytes) -> Any:
    """What an aggregate's `evolve` takes, without the ids. Raises EventIsUnreadable."""
    if topic in UPCASTS:
        return decode_event(topic, state)
    try:
        return _decoders[topic](state)
    except msgspec.MsgspecError as error:
        raise EventIsUnreadable(f"a stored {topic} does not read: {error}") from error


def slim(kind: type[Event]) -> type[Any]:
    """The kind without the fields that its stream says; the kind itself when its `apply` asks for one of them."""
    if SAID_BY_THE_STREAM & set(kind.apply.__code__.co_names):
        return kind
    kept = [field for field in msgspec.structs.fields(kind) if field.name not in SAID_BY_THE_STREAM]
    methods = {name: value for name, value in vars(kind).items() if _is_method(value) and name[:2] != "__"}
    return msgspec.defstruct(
        f"Slim{kind.__name__}",
        [_declared(field) for field in kept],
        namespace=methods,
        kw_only=True,
        gc=False,
    )


def _declared(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.name, field.type, msgspec.field(default_factory=field.default_factory)
    return (field.name, field.type) if field.required else (field.name, field.type, field.default)


def _is_method(value: Any) -> bool:
    return callable(value) or isinstance(value, property)
