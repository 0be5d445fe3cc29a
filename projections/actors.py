"""What each actor did: to which account, which kind of event, how often, and when first and last.

An index into the audit table: it says where to look, and how much there is to be seen.
"""

from datetime import datetime
from functools import cache, lru_cache
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.aggregate import Event
from domain.facts import TOPICS
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question


class Deeds(Struct):
    """One kind of event that an actor in a role caused in an account. `topic` is its name without a version."""

    actor: str
    role: str
    account_id: UUID
    topic: str
    count: int
    first_at: datetime
    last_at: datetime
    first_position: int
    log_position: int


class _Who(Struct):
    """What is read of an event's metadata."""

    actor: str = "unknown"
    role: str = "unknown"


_decode = msgspec.json.Decoder(_Who).decode


@cache
def _name(topic: str) -> str:
    return topic.partition(":")[0]


@lru_cache(maxsize=1_000)  # the events of one command have the same metadata
def _who(metadata: bytes) -> tuple[str, str]:
    """Actor and role."""
    who = _decode(metadata)
    return who.actor, who.role


class Actors(Projection):
    """One row an actor, role, account and kind of event."""

    name = "actors"
    version = 1
    row = Deeds
    key_columns = ("actor", "role", "account_id", "topic")

    def key(self, event: Event, fact: Fact) -> Key:
        """By who did what to whom."""
        return (*_who(fact.metadata), event.account_id, _name(fact.topic))

    @on(*TOPICS)
    def anything(self, event: Event, rows: Rows[Deeds]) -> None:
        """Every kind of event counts."""
        fact, at = rows.fact, event.recorded_at
        key, position = self.key(event, fact), fact.log_position
        row = rows.get(key)
        if row is None:
            actor, role, account_id, topic = key
            row = rows.add(key, Deeds(actor, role, account_id, topic, 0, at, at, position, position))
        row.count += 1
        row.last_at, row.log_position = at, position


DEEDS_OF_ACTOR = Question(
    "actors",
    Deeds,
    "actor = %(actor)s AND (role, account_id, topic) > (%(role)s, %(account_id)s, %(topic)s)"
    " ORDER BY role, account_id, topic LIMIT %(limit)s",
)
"""By role, account and topic; the three are those of the last row of the page before, or less than any."""
