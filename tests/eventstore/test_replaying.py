"""Reading streams back: folded without the ids that every event of a stream repeats, to the same state."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from application.brokerage import fold
from domain.account import Account
from domain.aggregate import Aggregate, Event
from domain.facts import KINDS, TOPICS
from infrastructure.eventstore.aggregates import CHUNK, load_aggregates
from infrastructure.eventstore.log import APPEND, Appending
from infrastructure.eventstore.mapper import EventIsUnreadable, encode_event
from infrastructure.eventstore.replaying import decode_slim, slim
from infrastructure.postgres.connections import connect
from tests.domain.examples import ACCOUNT
from tests.golden import files
from tests.golden.samples import STORY

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def slimly(events: Iterable[Event]) -> dict[UUID, Aggregate]:
    found: dict[UUID, Any] = {}
    for event in events:
        if event.originator_id not in found:
            found[event.originator_id] = fold(None, [event])
        else:
            found[event.originator_id].evolve(decode_slim(TOPICS[type(event)], encode_event(event)))
    return found


def wholly(events: Iterable[Event]) -> dict[UUID, Aggregate]:
    found: dict[UUID, Any] = {}
    for event in events:
        found[event.originator_id] = fold(found.get(event.originator_id), [event])
    return found


def holds(number: int) -> list[Event]:
    account = Account(id=ACCOUNT, account_id=ACCOUNT)
    account.open(owner_id=uuid4(), at=NOW)
    account.deposit(Decimal("1000000.00"), transfer_id=uuid4(), at=NOW)
    for _ in range(number):
        account.hold(Decimal("0.01"), order_id=uuid4(), at=NOW)
    return account.pending


def stored(url: str, events: list[Event], *, broken: int | None = None) -> None:
    rows = Appending()
    states = [encode_event(event) for event in events]
    if broken is not None:
        states[broken] = b'{"amount": 1}'
    rows.extend(events, topics=[TOPICS[type(event)] for event in events], states=states, said=b"{}")
    with connect(url, application="test") as connection:
        connection.execute(APPEND, rows.columns())


def test_the_story_of_every_kind_of_event_folds_to_the_same_state_without_the_ids() -> None:
    assert {type(event) for event in STORY} == set(TOPICS)
    assert slimly(STORY) == wholly(STORY)


@pytest.mark.parametrize("topic", KINDS)
def test_a_slim_event_has_all_fields_but_the_ids(topic: str) -> None:
    state = files.file_of(topic).read_bytes()

    whole, without = msgspec.json.decode(state, type=KINDS[topic]), decode_slim(topic, state)

    names, kind = set(without.__struct_fields__), KINDS[topic]
    left_out = set() if slim(kind) is kind else {"originator_id", "account_id"}
    assert names == set(whole.__struct_fields__) - left_out
    assert left_out or topic.endswith(".Reversed"), "only what needs its ids keeps them"
    assert all(getattr(without, name) == getattr(whole, name) for name in names)


def test_an_event_whose_apply_asks_for_an_id_is_read_whole() -> None:
    class Asks(Event, frozen=True, kw_only=True):
        def apply(self, aggregate: Any) -> None:
            aggregate.owner_id = self.account_id

    assert slim(Asks) is Asks


@pytest.mark.parametrize("number", [0, CHUNK - 2, CHUNK - 1, 3 * CHUNK])
def test_a_stream_of_many_chunks_is_read_as_it_was_decided(database: Any, number: int) -> None:
    events = holds(number)
    stored(database.app_url, events)

    with connect(database.app_url, application="test") as connection:
        found = load_aggregates(connection, [(Account, ACCOUNT), (Account, uuid4())])

    assert found == {ACCOUNT: fold(None, events)}


def test_an_event_that_cannot_be_read_does_not_end_the_transaction_it_is_read_in(database: Any) -> None:
    stored(database.app_url, holds(20 * CHUNK), broken=3)

    with connect(database.app_url, application="test") as connection, connection.transaction():
        with pytest.raises(EventIsUnreadable):
            load_aggregates(connection, [(Account, ACCOUNT)])
        row = connection.execute("SELECT count(*) FROM stored_events").fetchone()

    assert row == (20 * CHUNK + 2,)
