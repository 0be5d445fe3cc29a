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
from domain.order import Order
from infrastructure.eventstore.aggregates import CHUNK, SHORT, encode_snapshot, load_aggregates
from infrastructure.eventstore.log import APPEND, Appending
from infrastructure.eventstore.mapper import EventIsUnreadable, encode_event
from infrastructure.eventstore.replaying import decode_slim, slim
from infrastructure.postgres.connections import connect
from infrastructure.postgres.together import Together
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


def holds(number: int, account_id: UUID = ACCOUNT) -> list[Event]:
    account = Account(id=account_id, account_id=account_id)
    account.open(owner_id=uuid4(), at=NOW)
    account.deposit(Decimal("1000000.00"), transfer_id=uuid4(), at=NOW)
    for _ in range(number):
        account.hold(Decimal("0.01"), order_id=uuid4(), at=NOW)
    return account.pending


def stored(url: str, events: list[Event], *, broken: int | None = None, after: int = 0) -> None:
    rows = Appending(after)
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


LENGTHS = [0, SHORT - 3, SHORT - 2, SHORT - 1, SHORT + CHUNK - 2, SHORT + CHUNK - 1, 3 * CHUNK]


@pytest.mark.parametrize("number", LENGTHS)
def test_a_stream_of_many_chunks_is_read_as_it_was_decided(database: Any, number: int) -> None:
    events = holds(number)
    stored(database.app_url, events)

    with connect(database.app_url, application="test") as connection:
        found = load_aggregates(connection, [(Account, ACCOUNT), (Account, uuid4())])

    assert found == {ACCOUNT: fold(None, events)}


def test_a_stream_is_read_as_what_it_is_whatever_it_is_asked_for_as(database: Any) -> None:
    events = holds(3)
    stored(database.app_url, events)

    with connect(database.app_url, application="test") as connection:
        assert load_aggregates(connection, [(Order, ACCOUNT)]) == {ACCOUNT: fold(None, events)}


def test_an_event_that_cannot_be_read_does_not_end_the_transaction_it_is_read_in(database: Any) -> None:
    stored(database.app_url, holds(20 * CHUNK), broken=3)

    with connect(database.app_url, application="test") as connection, connection.transaction():
        with pytest.raises(EventIsUnreadable):
            load_aggregates(connection, [(Account, ACCOUNT)])
        row = connection.execute("SELECT count(*) FROM stored_events").fetchone()

    assert row == (20 * CHUNK + 2,)


@pytest.mark.parametrize("at_once", [True, False])
def test_streams_of_all_lengths_with_snapshots_and_without_are_read_together_as_they_were_decided(
    database: Any, at_once: bool
) -> None:
    told: dict[UUID, list[Event]] = {}
    snapshots = []
    for number in LENGTHS:
        for up_to in (None, 1, 2, number + 2):  # a snapshot of so many events
            account_id = uuid4()
            told[account_id] = holds(number, account_id)
            if up_to is not None:
                snapshots.append(encode_snapshot(wholly(told[account_id][:up_to])[account_id]))
    after = 0
    for events in told.values():
        stored(database.app_url, events, after=after)
        after += len(events)
    with connect(database.app_url, application="test") as connection:
        for row in snapshots:
            connection.execute("INSERT INTO stored_snapshots VALUES (%s, %s, %s, %s)", row)
            old = (row[0], row[1] + 1, "Account/0", b"of long ago")
            connection.execute("INSERT INTO stored_snapshots VALUES (%s, %s, %s, %s)", old)
        streams = [(Account, account_id) for account_id in [*told, uuid4()]]

        found = load_aggregates(connection, streams, together=Together(connection) if at_once else None)

    assert found == {account_id: fold(None, events) for account_id, events in told.items()}


def test_an_event_that_cannot_be_read_ends_no_transaction_when_statements_go_together(database: Any) -> None:
    stored(database.app_url, holds(3), broken=3)

    with connect(database.app_url, application="test") as connection, connection.transaction():
        together = Together(connection)
        with pytest.raises(EventIsUnreadable):
            load_aggregates(connection, [(Account, ACCOUNT)], together=together)
        assert load_aggregates(connection, [(Account, uuid4())], together=together) == {}
        row = connection.execute("SELECT count(*) FROM stored_events").fetchone()

    assert row == (5,)
