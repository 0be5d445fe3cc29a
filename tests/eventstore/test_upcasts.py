"""Old events are brought up to their present version wherever they are read; what cannot be is refused."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import JSONTranscoder

from application.brokerage import fold
from domain import facts
from domain.account import Account
from domain.facts import KINDS, TOPICS, UPCASTS, name_of
from infrastructure.eventstore import log
from infrastructure.eventstore.aggregates import SNAPSHOT_TOPICS, load_aggregates
from infrastructure.eventstore.mapper import EventIsUnreadable, StructMapper, decode_event, encode_event
from infrastructure.eventstore.snapshots import Snapshotter
from infrastructure.postgres.connections import connect
from tests.golden.samples import ACCOUNT, OWNER, START
from tests.projecting.worked import Desk, deposit, project

Fields = dict[str, Any]
TRANSFER = UUID(int=0xEE)
FIRST, SECOND, THIRD = "Account.Deposited", "Account.Deposited:2", "Account.Deposited:3"


def first_to_second(fields: Fields) -> Fields:
    """Version 1 counted cents; version 2 says dollars."""
    cents = fields.pop("cents")
    return {**fields, "dollars": f"{cents // 100}.{cents % 100:02}"}


def second_to_third(fields: Fields) -> Fields:
    """Version 2 called it dollars; version 3 calls it the amount."""
    return {**fields, "amount": fields.pop("dollars")}


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if `Account.Deposited` had got two new versions since it was first stored."""
    monkeypatch.setitem(facts.VERSIONS, Account.Deposited, 3)
    monkeypatch.setitem(TOPICS, Account.Deposited, facts.topic_of(Account.Deposited))
    monkeypatch.delitem(KINDS, FIRST)
    monkeypatch.setitem(KINDS, THIRD, Account.Deposited)
    monkeypatch.setitem(UPCASTS, FIRST, first_to_second)
    monkeypatch.setitem(UPCASTS, SECOND, second_to_third)


def stored(version: int = 2, **fields: Any) -> bytes:
    """A deposit as it was stored, with the fields of its version."""
    common = {
        "originator_id": str(ACCOUNT),
        "originator_version": version,
        "account_id": str(ACCOUNT),
        "recorded_at": START.isoformat(),
        "transfer_id": str(TRANSFER),
    }
    return json.dumps({**common, **fields}).encode()


def deposited(amount: str) -> Account.Deposited:
    return Account.Deposited(
        originator_id=ACCOUNT,
        originator_version=2,
        account_id=ACCOUNT,
        recorded_at=START,
        transfer_id=TRANSFER,
        amount=Decimal(amount),
    )


pytestmark = pytest.mark.usefixtures("third_version")


@pytest.mark.parametrize(
    ("topic", "fields"),
    [(FIRST, {"cents": 1205}), (SECOND, {"dollars": "12.05"}), (THIRD, {"amount": "12.05"})],
)
def test_each_version_is_read_as_the_present_one(topic: str, fields: Fields) -> None:
    assert decode_event(topic, stored(**fields)) == deposited("12.05")


def test_what_is_written_has_the_present_version() -> None:
    mapper = StructMapper(JSONTranscoder())
    row = mapper.to_stored_event(deposited("12.05"))

    assert (row.topic, row.state) == (THIRD, encode_event(deposited("12.05")))
    assert mapper.to_domain_event(row) == deposited("12.05")


def test_amounts_stay_exact_on_the_way_up() -> None:
    event: Any = decode_event(FIRST, stored(cents=10**14 + 1))

    assert str(event.amount) == "1000000000000.01"


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        (FIRST, stored()),  # without the field that the upcast needs
        (FIRST, stored(cents="many")),
        (SECOND, stored(dollars="NaN-ish")),
        (SECOND, stored(dollars=None)),
        (FIRST, b"[]"),
        (FIRST, b"null"),
        (FIRST, b"{"),
        (FIRST, b"\xff"),
        (FIRST, b""),
        (THIRD, stored(dollars="1.00")),
        ("Account.Deposited:4", stored(amount="1.00")),
        ("Account.Deposited:1", stored(cents=1)),
        ("Account.Deposited:", stored(cents=1)),
        ("Nothing", b"{}"),
    ],
)
def test_what_cannot_be_brought_up_is_refused_and_named(topic: str, state: bytes) -> None:
    with pytest.raises(EventIsUnreadable, match=topic):
        decode_event(topic, state)


def test_an_upcast_that_leads_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(UPCASTS, SECOND)

    with pytest.raises(
        EventIsUnreadable, match=r"brought up to Account\.Deposited:2, and no event is called so"
    ):
        decode_event(FIRST, stored(cents=1))


def chains() -> list[str]:
    """Every old stored name and what it is brought up to."""
    ends = []
    for topic in UPCASTS:
        name, _, version = topic.partition(":")
        number = int(version or 1)
        while topic in UPCASTS:
            number += 1
            topic = f"{name}:{number}"
        ends.append(topic)
    return ends


def test_every_old_version_leads_to_a_present_one_and_none_is_missing() -> None:
    assert set(chains()) <= set(KINDS)
    assert {topic for kind, topic in TOPICS.items()} == set(KINDS)
    for kind, version in facts.VERSIONS.items():
        older = [name_of(kind), *(f"{name_of(kind)}:{n}" for n in range(2, version))]
        assert set(older) <= set(UPCASTS)


# In the log: whoever reads it sees the present version only.


def append(url: str, topic: str, state: bytes, *, position: int, version: int) -> None:
    """Put a row into the log as an older Daybook did."""
    with connect(url, application="test") as connection:
        connection.execute(
            f"INSERT INTO stored_events ({log.COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)".encode(),
            (position, ACCOUNT, version, topic, state, ACCOUNT, START, '{"actor":"old","role":"customer"}'),
        )


@pytest.fixture
def old_log(database: Any) -> str:
    """An account that was paid into under each version of the event."""
    url: str = database.app_url
    opened = Account.Opened(
        originator_id=ACCOUNT, originator_version=1, account_id=ACCOUNT, recorded_at=START, owner_id=OWNER
    )
    append(url, "Account.Opened", encode_event(opened), position=1, version=1)
    append(url, FIRST, stored(2, cents=1), position=2, version=2)
    append(url, SECOND, stored(3, dollars="0.20"), position=3, version=3)
    append(url, THIRD, stored(4, amount="3.00"), position=4, version=4)
    return url


def test_an_aggregate_is_folded_from_old_events_and_goes_on(old_log: str) -> None:
    with connect(old_log, application="test") as connection:
        account: Any = load_aggregates(connection, [(Account, ACCOUNT)])[ACCOUNT]
        rows = log.read_after(connection, 0, limit=10)

    assert (str(account.cash), account.version) == ("3.21", 4)
    assert fold(None, [row.event() for row in rows]) == account


def test_a_command_decides_on_old_events_and_writes_the_present_version(old_log: str) -> None:
    desk = Desk(old_log)
    try:
        answer: Any = desk.do(deposit(ACCOUNT, "0.79"))
    finally:
        desk.close()

    with connect(old_log, application="test") as connection:
        (last,) = log.read_after(connection, 4, limit=10)
    assert (str(answer.cash), last.topic) == ("4.00", THIRD)
    assert last.state == encode_event(last.event())


def test_a_snapshot_of_old_events_is_the_same_as_their_fold(old_log: str) -> None:
    assert Snapshotter(old_log, every=3).take() == 1

    with connect(old_log, application="test") as connection:
        kept = connection.execute("SELECT originator_version, topic FROM stored_snapshots").fetchall()
        from_snapshot = load_aggregates(connection, [(Account, ACCOUNT)])[ACCOUNT]
        connection.execute("DELETE FROM stored_snapshots")
        from_events = load_aggregates(connection, [(Account, ACCOUNT)])[ACCOUNT]

    assert kept == [(4, SNAPSHOT_TOPICS[Account])]
    assert from_snapshot == from_events


def test_every_projection_reads_old_events(old_log: str) -> None:
    project(old_log)

    def one(sql: str) -> Any:
        with connect(old_log, application="test") as connection:
            return connection.execute(sql.encode()).fetchall()

    assert [str(row[0]) for row in one("SELECT cash FROM read.balances")] == ["3.21"]
    assert [str(row[0]) for row in one("SELECT amount FROM read.activity ORDER BY log_position")][1:] == [
        "0.01",
        "0.20",
        "3.00",
    ]
    assert [row[0] for row in one("SELECT text FROM read.audit ORDER BY log_position")][1:] == [
        "Deposited 0.01",
        "Deposited 0.20",
        "Deposited 3.00",
    ]
    assert one("SELECT topic, count FROM read.actors ORDER BY topic") == [
        ("Account.Deposited", 3),
        ("Account.Opened", 1),
    ]
    assert {str(row[0]) for row in one("SELECT deposited FROM read.statements")} == {"3.21"}
