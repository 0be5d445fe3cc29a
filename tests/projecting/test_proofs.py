"""The proof of every read table: what was consumed is the log, what stands there is its fold."""

import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.corporate_action import FIRM
from infrastructure.eventstore.log import Recorded
from infrastructure.postgres.connections import connect
from infrastructure.projecting import folding, retries, standing, worker
from infrastructure.projecting.chains import Chain, digest_of
from infrastructure.projecting.hashing import table_hash
from infrastructure.projecting.operating import rebuild_all, statuses
from infrastructure.projecting.proving import Proof, Stretch, holes, partings
from infrastructure.projecting.repairing import ProjectionMustBeByAccount, repair
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.verifying import Verified, verify
from projections.balances import Balances
from projections.catalogue import BY_NAME, PROJECTIONS
from projections.projection import Fact, Projection, Rows
from tests.projecting.further import CY, DEE, live_on
from tests.projecting.tripwire import Tripwire, positions, running, until
from tests.projecting.worked import ANN, BOB, Desk, deposit, project, tables, work

DIGESTS = st.lists(st.integers(0, 2**128 - 1), max_size=20)


@given(DIGESTS, DIGESTS)
def test_chains_that_follow_each_other_are_joined(first: list[int], then: list[int]) -> None:
    assert Chain().extended(first).joined(Chain().extended(then)) == Chain().extended(first + then)
    assert Chain().extended(first).extended(then) == Chain().extended(first + then)


@given(st.lists(st.integers(1, 2**120), min_size=2, max_size=12, unique=True), st.data())
def test_a_chain_knows_a_skip_a_double_and_another_order(digests: list[int], data: Any) -> None:
    place = data.draw(st.integers(0, len(digests) - 2))
    swapped = digests.copy()
    swapped[place], swapped[place + 1] = digests[place + 1], digests[place]

    for wrong in (
        digests[:place] + digests[place + 1 :],
        [*digests[: place + 1], *digests[place:]],
        swapped,
        [*digests[:-1], digests[-1] + 1],
    ):
        assert Chain().extended(wrong) != Chain().extended(digests)


def test_one_skipped_event_of_a_million_is_caught() -> None:
    digests = [number * 0x9E3779B97F4A7C15 % 2**128 for number in range(1, 1_000_001)]
    canary = digests[:654_321] + digests[654_322:]

    whole = Stretch(0, 1_000_000, 1, 0)
    (found,) = partings([Proof(whole, Chain().extended(canary))], {whole: Chain().extended(digests)})

    assert found.sentence() == (
        "positions 1 to 1000000, partition 0 of 1: 1 events of the log were skipped (999999 consumed)"
    )


@pytest.mark.parametrize(
    "changed",
    [{"log_position": 8}, {"topic": "Other"}, {"state": b"{ }"}, {"account_id": BOB}, {"metadata": b"{ }"}],
)
def test_a_digest_is_of_everything_that_is_stored(changed: dict[str, Any]) -> None:
    fields = {"log_position": 7, "topic": "T", "state": b"{}", "account_id": ANN, "metadata": b"{}"}
    others = {"originator_id": ANN, "originator_version": 1, "recorded_at": datetime(2026, 3, 2, tzinfo=UTC)}

    assert digest_of(Recorded(**others, **fields)) != digest_of(Recorded(**others, **{**fields, **changed}))


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "STRETCH", 10)
    monkeypatch.setattr(retries, "RETRY_FIRST_S", 0.01)


def catch_up(url: str, *projections: Projection, partitions: int = 1, batch: int = 7) -> None:
    Projector(
        url, projections or PROJECTIONS, wake=threading.Event(), batch=batch, partitions=partitions
    ).catch_up()


def verified(url: str, *names: str, rows: bool = True) -> list[Verified]:
    return list(verify(url, [BY_NAME[name] for name in names or BY_NAME], rows=rows))


@pytest.mark.parametrize("partitions", [1, 4])
def test_what_the_projector_did_is_proved(desk: Desk, partitions: int) -> None:
    work(desk)
    catch_up(desk.url, partitions=partitions)
    told: list[tuple[str, int, int]] = []

    found = list(verify(desk.url, PROJECTIONS, rows=True, progress=lambda *said: told.append(said)))

    assert [one.name for one in found] == list(BY_NAME)
    assert all(one.is_right for one in found), found
    assert {(one.position, one.events, one.proved_after) for one in found} == {(41, 41, 0)}
    assert ("proofs", 41, 41) in told
    assert told.count(("rows", 41, 41)) == 1


def test_a_projector_that_skips_an_event_is_caught_with_the_place(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(desk)
    honest = folding.entries_of
    monkeypatch.setattr(worker, "entries_of", lambda rows: [e for e in honest(rows) if e.log_position != 23])
    catch_up(desk.url)

    (found,) = verified(desk.url, "activity", rows=False)

    (parting,) = found.partings
    assert not found.is_right
    assert parting.after < 23 <= parting.up_to
    assert "1 events of the log were skipped" in parting.sentence()


def test_a_projector_that_doubles_an_event_is_caught(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    work(desk)
    honest = folding.entries_of

    def twice(rows: Any) -> Any:
        return [e for entry in honest(rows) for e in [entry] * (1 + (entry.log_position == 23))]

    monkeypatch.setattr(worker, "entries_of", twice)
    catch_up(desk.url, BY_NAME["balances"])

    (found,) = verified(desk.url, "balances", rows=False)

    assert "1 events were consumed more than once" in found.partings[0].sentence()


def test_a_projection_that_skips_one_event_is_caught_by_its_rows(desk: Desk) -> None:
    canary, honest = Balances(), Balances()

    def apply(fact: Fact, rows: Rows[Any]) -> None:
        if fact.log_position != 2:
            honest.apply(fact, rows)

    canary.apply = apply  # type: ignore[method-assign]
    work(desk)
    catch_up(desk.url, canary)

    (found,) = verified(desk.url, "balances")

    assert found.partings == []
    assert (found.is_right, found.rows_differing) == (False, 1)
    assert found.first_difference is not None
    assert f"in the row account_id {ANN}: cash is -539.47, must be 9460.53" in found.first_difference


@pytest.mark.parametrize(
    ("statement", "explained"),
    [
        ("DELETE FROM read.balances WHERE account_id = %(ann)s", f"the row account_id {ANN} is missing"),
        ("UPDATE read.balances SET held = 1 WHERE account_id = %(ann)s", "held is 1, must be"),
        (
            "INSERT INTO read.balances SELECT (jsonb_populate_record(one, jsonb_build_object('account_id', %(nobody)s::uuid))).*"
            " FROM read.balances AS one WHERE account_id = %(ann)s",
            "must not be there",
        ),
    ],
)
def test_a_row_that_was_tampered_with_is_named_and_repaired_alone(
    desk: Desk, statement: str, explained: str
) -> None:
    work(desk)
    catch_up(desk.url, partitions=2)
    sound, nobody = tables(desk.url), UUID(int=77)
    with connect(desk.url, application="test") as connection:
        connection.execute(statement, {"ann": ANN, "nobody": nobody})

    (broken,) = verified(desk.url, "balances")
    account_id = nobody if "INSERT" in statement else ANN
    mended = repair(desk.url, BY_NAME["balances"], account_id)
    (again,) = verified(desk.url, "balances")

    assert explained in str(broken.first_difference)
    assert mended.differences > 0
    assert again.is_right
    assert tables(desk.url) == sound


def test_every_projection_can_be_repaired_by_account(desk: Desk) -> None:
    work(desk)
    live_on(desk)
    catch_up(desk.url)
    sound, everybody = tables(desk.url), [ANN, BOB, CY, DEE, FIRM]
    with connect(desk.url, application="test") as connection:
        for name in BY_NAME:
            connection.execute(f"DELETE FROM read.{name} WHERE account_id = ANY(%s)".encode(), (everybody,))

    found = {one.name: [repair(desk.url, one, account_id) for account_id in everybody] for one in PROJECTIONS}

    assert tables(desk.url) == sound
    assert all(
        one.rows_before == 0 and one.differences == one.rows_after for each in found.values() for one in each
    )
    assert [name for name, each in found.items() if not any(one.rows_after for one in each)] == []
    again = [repair(desk.url, one, account_id) for one in PROJECTIONS for account_id in everybody]
    assert not any(one.differences for one in again)


def test_a_projection_without_accounts_cannot_be_repaired_by_account(desk: Desk) -> None:
    with pytest.raises(ProjectionMustBeByAccount):
        repair(desk.url, Tripwire(), ANN)


def test_the_same_log_and_code_give_the_same_table_hash(desk: Desk) -> None:
    work(desk)
    live_on(desk)
    hashes = []
    for batch, partitions in ((1, 1), (7, 3), (2000, 1)):
        with connect(desk.url, application="test") as connection:
            connection.execute("DELETE FROM projection_generations")
            catch_up(desk.url, batch=batch, partitions=partitions)
            hashes.append([table_hash(connection, projection) for projection in PROJECTIONS])
            connection.execute("SET timezone = 'Asia/Tokyo'")
            hashes.append([table_hash(connection, projection) for projection in PROJECTIONS])
    desk.all_at_once([deposit(ANN)])
    project(desk.url)
    with connect(desk.url, application="test") as connection:
        after = [table_hash(connection, projection) for projection in PROJECTIONS]

    assert all(each == hashes[0] for each in hashes)
    assert len(set(hashes[0])) == len(PROJECTIONS)
    assert after[0] != hashes[0][0]
    assert [one.table_hash for one in verified(desk.url, rows=False)] == after


def test_the_number_of_partitions_can_be_changed_and_everything_stays_proved(desk: Desk) -> None:
    work(desk)
    for number, partitions in enumerate((1, 4, 3, 3, 1, 2)):
        for _ in range(number):
            desk.opened()
        catch_up(desk.url, partitions=partitions)

    found = verified(desk.url)

    assert all(one.is_right for one in found), found
    assert {one.events for one in found} == {len(desk.facts())}


def test_partitions_that_stand_apart_are_brought_together_before_they_are_divided(desk: Desk) -> None:
    work(desk)
    catch_up(desk.url, partitions=3)
    accounts = [desk.opened() for _ in range(12)]
    desk.all_at_once([deposit(account) for account in accounts])
    one = worker.Worker(desk.url, BY_NAME, partition=1, partitions=3, batch=5)
    one.start()
    while one.step():
        pass
    one.close()

    catch_up(desk.url, partitions=2)

    assert all(found.is_right for found in verified(desk.url))


def test_a_stretch_that_is_missing_or_there_twice_is_found(desk: Desk) -> None:
    def proof(after: int, up_to: int, partitions: int = 1, partition: int = 0) -> Proof:
        return Proof(Stretch(after, up_to, partitions, partition), Chain(1, 1))

    sound = [proof(0, 10), proof(10, 20), proof(20, 30, 2, 0), proof(20, 30, 2, 1), proof(30, 40, 3, 0)]

    assert holes(sound) == []
    assert holes([]) == []
    assert holes([proof(0, 10), proof(20, 30)]) == ["positions 11 to 20, partition 0 of 1: proved by nothing"]
    assert holes([proof(0, 10), proof(5, 30)]) == ["positions 6 to 10, partition 0 of 1: proved twice"]
    assert holes([proof(0, 10), proof(15, 20, 2, 1)]) == [
        "positions 11 to 15, partition 1 of 2: proved by nothing"
    ]


def test_an_event_changed_in_the_log_afterwards_is_seen(desk: Desk, servers: Any, database: Any) -> None:
    work(desk)
    catch_up(desk.url)
    with connect(database.owner_url, application="test") as connection:
        connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_are_for_ever")
        connection.execute(
            "UPDATE stored_events SET state = replace(convert_from(state, 'UTF8'), '10000.00', '10000.01')::bytea"
            " WHERE notification_id = 2"
        )

    found = verified(desk.url, "balances", "audit", rows=False)

    assert [one.partings[0].sentence() for one in found] == [
        f"positions 1 to {one.partings[0].up_to}, partition 0 of 1:"
        f" not the {one.partings[0].events_in_log} events of the log, or not in its order"
        for one in found
    ]


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_rebuilt_table_is_proved_from_the_beginning_and_divided_as_wanted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    monkeypatch.setattr(worker, "LOOK_S", 0.02)
    work(desk)
    with running(Projector(desk.url, PROJECTIONS, wake=threading.Event(), partitions=partitions)):
        until(lambda: set(positions(desk.url).values()) == {41})
        for _ in range(10):
            desk.opened()
        rebuild_all(desk.url, ["balances", "audit"], parallel=2)
        for _ in range(10):
            desk.opened()
        until(lambda: set(positions(desk.url).values()) == {81})
        until(lambda: {one.partitions for one in statuses(desk.url)} == {partitions})

    found = verified(desk.url)

    assert all(one.is_right for one in found), found
    assert {(one.events, one.proved_after) for one in found} == {(81, 0)}
