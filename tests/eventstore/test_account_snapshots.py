"""Snapshots of whole accounts: every question about the past has the answer that the whole log gives."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.history import AccountSnapshot, account_as_of
from domain.account import Account
from domain.aggregate import Event
from domain.errors import AccountMustExist, InstantMustBeWellFormed, MomentMustBeWithinTheAccountsLife
from domain.facts import TOPICS
from domain.order import Order
from domain.terms import Side
from infrastructure.eventstore import account_snapshots
from infrastructure.eventstore.account_snapshots import AccountSnapshots, AccountSnapshotter, code_version
from infrastructure.eventstore.log import COLUMNS
from infrastructure.eventstore.mapper import encode_event
from infrastructure.past import open_history
from infrastructure.postgres.connections import connect
from infrastructure.reading import History
from tests.application.office import an_office
from tests.application.test_reversals import do
from tests.conftest import Database
from tests.domain.examples import ACCOUNT

LATER = datetime(2030, 1, 1, tzinfo=UTC)
APPEND = f"INSERT INTO stored_events ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, '{{}}')"


class Shelf:
    """A database whose log is written anew for each example."""

    def __init__(self, database: Database) -> None:
        self.url = database.app_url
        self._owner = psycopg.connect(database.owner_url, autocommit=True)
        self._owner.execute("ALTER TABLE stored_events DISABLE TRIGGER USER")

    def put(self, log: Sequence[Event], *, every: int, until: int | None = None) -> None:
        """Store these events, some with snapshots; what comes after `until` has none."""
        self._owner.execute("TRUNCATE stored_events, account_snapshots")
        until = len(log) if until is None else until
        self._append(log[:until], 1)
        self.take(every)
        self._append(log[until:], until + 1)

    def take(self, every: int) -> int:
        return AccountSnapshotter(self.url, every=every, looked_at=1).take()

    def snapshots(self) -> list[Any]:
        return self._owner.execute(
            "SELECT log_position, dated, state FROM account_snapshots ORDER BY log_position"
        ).fetchall()

    def run(self, sql: str, *parameters: Any) -> None:
        self._owner.execute(sql.encode(), parameters)

    def close(self) -> None:
        self._owner.close()

    def _append(self, events: Sequence[Event], first: int) -> None:
        rows = [
            (first + n, e.originator_id, e.originator_version, TOPICS[type(e)], encode_event(e), e.account_id, e.recorded_at)
            for n, e in enumerate(events)
        ]  # fmt: skip
        with self._owner.transaction(), self._owner.cursor() as cursor:
            cursor.executemany(APPEND.encode(), rows)


@pytest.fixture(scope="module")
def shelf(servers: Any, database_template: str) -> Iterator[Shelf]:
    from tests.conftest import _as_superuser

    name = "daybook_test_shelf"
    _as_superuser(servers, f"CREATE DATABASE {name} TEMPLATE {database_template} OWNER daybook_owner")
    urls = [servers.postgres.url(user=user, database=name) for user in ("daybook_app", "daybook_owner")]
    shelf = Shelf(Database(app_url=urls[0], owner_url=urls[1]))
    yield shelf
    shelf.close()
    _as_superuser(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def history(shelf: Shelf) -> Iterator[History]:
    with open_history(shelf.url, lambda: LATER) as history:
        yield history


def lived(steps: Sequence[Any], dates: Sequence[int | None]) -> list[Event]:
    """What became of an account that these steps were tried on; some deposits count to another day."""
    office = an_office("2000.00")
    for step in steps:
        do(office, *step)
        office.now += timedelta(seconds=step[-1])
    return [_dated(event, dates[n % len(dates)]) for n, event in enumerate(office.log)]


def _dated(event: Event, days: int | None) -> Event:
    if days is None or not isinstance(event, Account.Deposited):
        return event
    return msgspec.structs.replace(event, effective_on=event.recorded_at.date() + timedelta(days=days))


def told(work: Any) -> bytes:
    """The bytes of an answer, or the name of the refusal."""
    try:
        return msgspec.json.encode(work())
    except (MomentMustBeWithinTheAccountsLife, InstantMustBeWellFormed) as refusal:
        return type(refusal).__name__.encode()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["buy", "buy", "sell", "deposit", "withdraw", "day", "reverse", "reverse", "correct"]
        ),
        st.integers(1, 3_000_000).map(lambda n: Decimal(n) / 100_000),
        st.integers(50_000, 150_000).map(lambda n: Decimal(n) / 10_000),
        st.integers(0, 50),
    ),
    min_size=6,
    max_size=25,
)

MOMENTS = st.tuples(st.integers(0, 200), st.sampled_from([-86_400, -1, -1e-6, 0, 0, 1e-6, 1, 3600, 86_400]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=STEPS,
    dates=st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=1, max_size=4),
    every=st.integers(1, 9),
    until=st.integers(0, 200),
    asked=st.lists(
        st.tuples(st.booleans(), st.one_of(st.just((-1, 0)), MOMENTS), st.one_of(st.none(), MOMENTS)),
        min_size=6,
        max_size=12,
    ),
)
def test_every_question_has_the_answer_of_the_whole_log(
    shelf: Shelf, history: History, steps: Any, dates: Any, every: int, until: int, asked: Any
) -> None:
    log = lived(steps, dates)
    shelf.put(log, every=every, until=until % (len(log) + 1))
    numbered = list(enumerate(log, 1))

    def moment(one: tuple[int, float]) -> datetime:
        return log[one[0] % len(log)].recorded_at + timedelta(seconds=one[1])

    for by_position, known, effective in asked:
        position = 1 + known[0] % len(log) if by_position else None
        at = None if by_position else moment(known)
        effective_at = None if effective is None else moment(effective)
        then = [
            (n, event)
            for n, event in numbered
            if (position is None or n <= position) and (at is None or event.recorded_at <= at)
        ]

        def ask(position: Any = position, at: Any = at, effective_at: Any = effective_at, **how: bool) -> Any:
            return history.as_of_now(ACCOUNT, position, at, effective_at=effective_at, **how)

        def folded(then: Any = then, effective_at: Any = effective_at, **how: bool) -> Any:
            return account_as_of(ACCOUNT, then, effective_at=effective_at, **how)

        assert told(ask) == told(folded)
        assert told(lambda ask=ask: ask(whole=True)) == told(folded)
        assert told(lambda ask=ask: ask(explain=True)) == told(lambda folded=folded: folded(explain=True))


def busy(shelf: Shelf, every: int) -> list[Event]:
    office = an_office("100000.00")
    for number in range(30):
        bought = office.trade(Side.BUY, "3", "10")
        office.now += timedelta(seconds=10)
        if number % 10 == 9:
            office.reverse(bought)
    shelf.put(office.log, every=every)
    return office.log


def test_there_is_one_each_time_so_many_events_have_passed(shelf: Shelf) -> None:
    log = busy(shelf, every=20)

    positions = [row[0] for row in shelf.snapshots()]

    assert positions == [20 * n for n in range(1, len(log) // 20 + 1)]
    assert shelf.take(20) == 0
    assert [row[0] for row in shelf.snapshots()] == positions


def test_one_that_is_larger_than_what_happened_since_waits(shelf: Shelf) -> None:
    log = busy(shelf, every=1)

    sizes = {row[0]: len(row[2]) for row in shelf.snapshots()}
    begins = [0, *sizes]
    for begin, (end, size) in zip(begins, sizes.items(), strict=False):
        assert size <= sum(len(encode_event(event)) for event in log[begin:end])
    assert len(sizes) < len(log)


def test_ended_orders_are_not_in_it_and_dated_events_are_known(shelf: Shelf) -> None:
    log = busy(shelf, every=20)

    _, dated, state = shelf.snapshots()[-1]
    kept = msgspec.json.decode(state, type=AccountSnapshot)

    assert kept.orders == []
    assert sum(isinstance(event, Order.Placed) for event in log) == 30
    assert dated == [n for n, event in enumerate(log, 1) if event.effective_on and n <= kept.log_position]
    assert dated


def test_what_other_code_kept_is_not_read_and_is_thrown_away(shelf: Shelf, history: History) -> None:
    log = busy(shelf, every=20)
    wanted = account_as_of(ACCOUNT, list(enumerate(log, 1)))
    shelf.run("UPDATE account_snapshots SET version = 'of other code', state = 'nonsense'")

    assert history.as_of_now(ACCOUNT, len(log), None) == wanted
    assert shelf.take(20) == len(log) // 20
    assert all(row[2] != b"nonsense" for row in shelf.snapshots())
    assert history.as_of_now(ACCOUNT, len(log), None) == wanted


def test_it_goes_on_where_its_time_was_over(shelf: Shelf) -> None:
    log = busy(shelf, every=20)
    wanted = shelf.snapshots()
    shelf.run("TRUNCATE account_snapshots")
    hasty = AccountSnapshotter(shelf.url, every=20, looked_at=1, patience=1e-9)

    assert hasty.take() == 0
    hasty._patience = 1e9
    assert hasty.take() == len(log) // 20
    assert shelf.snapshots() == wanted


def test_the_last_one_before_a_moment_is_found(shelf: Shelf) -> None:
    log = busy(shelf, every=20)
    with connect(shelf.url, application="test") as connection:
        found = AccountSnapshots(connection, ACCOUNT)
        for position in (19, 20, 21, 39, 40, len(log)):
            kept = found.last(up_to=position)
            assert (kept.log_position if kept else 0) == position // 20 * 20
        at = log[39].recorded_at
        kept = found.last(at=at)
        assert kept is not None
        assert kept.log_position >= 40
        after = found.first_after(at)
        assert after is not None
        assert log[after - 1].recorded_at > at
        assert found.first_after(LATER) is None


def test_an_account_that_is_not_there_is_refused(shelf: Shelf, history: History) -> None:
    log = busy(shelf, every=20)
    with pytest.raises(AccountMustExist):
        history.as_of_now(UUID(int=99), 5, None)
    with pytest.raises(MomentMustBeWithinTheAccountsLife):
        history.as_of_now(ACCOUNT, None, log[0].recorded_at - timedelta(seconds=1))


def test_the_version_is_that_of_the_code() -> None:
    assert len(code_version()) == 32
    names = {path.name for path in account_snapshots._sources()}
    assert {"core.py", "lots.py", "history.py", "effect.py", "mapper.py", "account_snapshots.py"} <= names
