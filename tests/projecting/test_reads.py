"""Reading: rows at a wanted position, orders as the log has them, and the past, always the same."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.errors import ReadTableMustReachPosition
from application.history import account_as_of
from domain.errors import (
    AccountMustExist,
    InstantMustBeWellFormed,
    MomentMustBeWithinTheAccountsLife,
    OrderMustExist,
)
from infrastructure.eventstore.log import LOG_LOCK, TAKE_LOCK
from infrastructure.postgres.connections import async_pool, connect, pool
from infrastructure.projecting.runner import Projector
from infrastructure.reading import History, News, OrdersNow, Reads
from infrastructure.redis.wakeups import Announcer
from projections.activity import ACTIVITY_OF_ACCOUNT
from projections.balances import BALANCE_OF_ACCOUNT, CASH_IN_ONE
from projections.catalogue import PROJECTIONS
from projections.executions import EXECUTIONS_OF_ORDER
from projections.orders import ORDER, ORDERS_OF_ACCOUNT
from projections.positions import POSITIONS_IN_ONE, POSITIONS_OF_ACCOUNT
from projections.questions import Lookups
from tests.projecting.tripwire import running, until
from tests.projecting.worked import (
    ANN,
    BOB,
    FIRST,
    MSFT,
    OPEN_SALE,
    SALE,
    STOP,
    Desk,
    at,
    deposit,
    project,
    request,
    work,
)

NOWHERE = "redis://127.0.0.1:1/0"


class Reading:
    """Reads on the desk's database, and how often they looked there."""

    def __init__(self, desk: Desk, connections: Any, redis_url: str, patience: float) -> None:
        self.looks = 0
        self.news = News(redis_url)
        self.orders = OrdersNow(connections, self.news)
        self.reads = Reads(self, self.news, patience=patience, log_end=lambda: desk.committer.log_position)  # type: ignore[arg-type]
        self._connections = connections

    def connection(self, *args: Any, **others: Any) -> Any:
        self.looks += 1
        return self._connections.connection(*args, **others)


def reading(
    desk: Desk,
    ask: Callable[[Reading], Awaitable[Any]],
    *,
    redis_url: str = NOWHERE,
    patience: float = 5,
    follow: bool = False,
) -> Any:
    """Run questions in an event loop of their own."""

    @asynccontextmanager
    async def opened() -> Any:
        async with async_pool(desk.url, application="test", size=4) as connections:
            found = Reading(desk, connections, redis_url, patience)
            following = asyncio.create_task(found.news.follow()) if follow else None
            try:
                yield found
            finally:
                if following is not None:
                    following.cancel()
                    with suppress(asyncio.CancelledError):
                        await following

    async def main() -> Any:
        async with opened() as found:
            return await ask(found)

    return asyncio.run(main())


def test_a_read_without_a_wanted_position_says_where_it_stood_and_how_far_behind(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    desk.all_at_once([deposit(ANN)] * 3)

    read = reading(desk, lambda r: r.reads.one(BALANCE_OF_ACCOUNT, account_id=ANN))

    assert (read.log_position, read.lag, str(read.row.cash)) == (41, 3, "9460.53")


def test_a_read_waits_for_the_position_it_wants(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    desk.all_at_once([deposit(ANN)])

    async def ask(r: Reading) -> Any:
        waiting = asyncio.create_task(r.reads.one(BALANCE_OF_ACCOUNT, min_position=42, account_id=ANN))
        await asyncio.sleep(0.15)
        too_early = waiting.done()
        await asyncio.to_thread(project, desk.url)
        return too_early, await waiting

    too_early, read = reading(desk, ask)

    assert not too_early
    assert (read.log_position, read.lag, str(read.row.cash)) == (42, 0, "9461.53")


def test_a_read_gives_up_after_its_patience_and_says_how_stale_the_table_is(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    desk.all_at_once([deposit(ANN)] * 2)

    with pytest.raises(ReadTableMustReachPosition) as refused:
        reading(
            desk,
            lambda r: r.reads.one(BALANCE_OF_ACCOUNT, min_position=43, account_id=ANN),
            patience=0.2,
        )

    assert (refused.value.wanted, refused.value.reached) == (43, 41)
    assert refused.value.detail == "the read table stands at log position 41, 43 was asked for"


def test_a_table_that_was_never_projected_stands_at_the_beginning(desk: Desk) -> None:
    work(desk)

    with pytest.raises(ReadTableMustReachPosition) as refused:
        reading(
            desk, lambda r: r.reads.one(ORDER, min_position=1, order_id=FIRST, account_id=ANN), patience=0
        )

    assert refused.value.reached == 0


def test_with_wake_ups_a_read_waits_without_looking(
    desk: Desk, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.reading.LOOK_AGAIN_S", 5)
    announcer, wake = Announcer(redis_url), threading.Event()
    projector = Projector(desk.url, PROJECTIONS, wake=wake, on_progress=announcer.projected)

    async def ask(r: Reading) -> Any:
        await asyncio.sleep(0.1)
        account_id = await asyncio.to_thread(desk.opened)
        waiting = asyncio.create_task(r.reads.one(BALANCE_OF_ACCOUNT, min_position=2, account_id=account_id))
        await asyncio.sleep(0.05)
        wake.set()
        async with asyncio.timeout(3):
            return await waiting, r.news.positions["balances"]

    project(desk.url)
    with running(projector):
        read, heard = reading(desk, ask, redis_url=redis_url, follow=True)
    announcer.close()

    assert (read.log_position, heard) == (2, 2)


def test_many_who_wait_do_not_wake_one_another_with_old_news(desk: Desk) -> None:
    work(desk)
    project(desk.url)

    async def ask(r: Reading) -> int:
        waiting = [r.reads.one(BALANCE_OF_ACCOUNT, min_position=99, account_id=ANN) for _ in range(10)]
        refused = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(refusal, ReadTableMustReachPosition) for refusal in refused)
        return r.looks

    assert reading(desk, ask, patience=0.35) <= 10 * 6


def test_questions_are_answered_for_one_account_newest_first_page_by_page(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    page = {"account_id": ANN, "symbol": None, "limit": 2}

    async def ask(r: Reading) -> list[list[Any]]:
        async def orders(**changes: Any) -> list[Any]:
            read = await r.reads.many(
                ORDERS_OF_ACCOUNT, **{**page, "status": None, "before": 2**62, **changes}
            )
            return [row.order_id for row in read.rows]

        activity = {"account_id": ANN, "types": ["sale", "withdrawal"], "before": 2**62, "limit": 9}
        movements = await r.reads.many(ACTIVITY_OF_ACCOUNT, **activity)
        positions = await r.reads.many(POSITIONS_OF_ACCOUNT, account_id=ANN)
        executions = await r.reads.many(EXECUTIONS_OF_ORDER, order_id=FIRST, account_id=ANN)
        return [
            await orders(limit=9, status=["filled"]),
            await orders(limit=9, symbol="MSFT"),
            await orders(before=31),
            await orders(before=18),
            await orders(account_id=BOB),
            [row.type for row in movements.rows],
            [row.symbol for row in positions.rows],
            [str(row.amount) for row in executions.rows],
        ]

    assert reading(desk, ask) == [
        [SALE, FIRST],
        [STOP, MSFT],
        [STOP, MSFT],
        [SALE, FIRST],
        [],
        ["withdrawal", "sale"],
        ["AAPL", "MSFT"],
        ["398.00", "600.00"],
    ]


def test_several_look_ups_at_once_answer_what_each_alone_does(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    both, nobody = Lookups((CASH_IN_ONE, POSITIONS_IN_ONE)), UUID(int=10**9)

    async def ask(r: Reading, account_id: UUID) -> list[list[Any]]:
        alone = [await r.reads.many(each, account_id=account_id) for each in both.each]
        at_once = await r.reads.several(both, account_id=account_id)
        assert [read.log_position for read in at_once] == [read.log_position for read in alone]
        assert [read.rows for read in at_once] == [read.rows for read in alone]
        return [read.rows for read in at_once]

    async def asked_together(r: Reading) -> list[list[list[Any]]]:
        return await asyncio.gather(*(ask(r, account_id) for account_id in (ANN, BOB, nobody)))

    ann, bob, none = reading(desk, asked_together)

    assert str(ann[0][0].cash) == "9460.53"
    assert len(ann[1]) > 0
    assert len(bob[0]) == 1
    assert none == [[], []]


def test_an_order_now_is_what_the_log_has_before_any_projector_runs(desk: Desk) -> None:
    work(desk)

    answer = reading(desk, lambda r: r.orders.now(OPEN_SALE, ANN))

    assert (answer.status, str(answer.quantity), answer.revision, answer.log_position) == (
        "accepted",
        "3.000000",
        1,
        34,
    )
    for order_id, account_id in ((OPEN_SALE, BOB), (UUID(int=99), ANN)):
        with pytest.raises(OrderMustExist):
            reading(desk, lambda r, ids=(order_id, account_id): r.orders.now(*ids))


# The past.


@pytest.fixture
def history(desk: Desk) -> Iterator[History]:
    """The past of the worked history, asked for an hour later."""
    work(desk)
    desk.time = at(3600)
    with pool(desk.url, application="test", size=2) as connections:
        yield History(connections, desk.now)


def ask(
    history: History, account_id: UUID, position: int | None = None, moment: datetime | None = None
) -> bytes:
    """An answer as the bytes that would go out."""
    return msgspec.json.encode(asyncio.run(history.as_of(account_id, log_position=position, at=moment)))


def test_the_past_is_the_fold_of_the_accounts_events_up_to_there(desk: Desk, history: History) -> None:
    facts = [(fact.log_position, fact.event) for fact in desk.facts() if fact.event.account_id == ANN]

    for position in range(1, 42):
        folded = msgspec.json.encode(account_as_of(ANN, [fact for fact in facts if fact[0] <= position]))
        assert ask(history, ANN, position) == folded
    for second in range(1, 26):
        then = at(second) + timedelta(microseconds=1)
        folded = msgspec.json.encode(account_as_of(ANN, [f for f in facts if f[1].recorded_at <= then]))
        assert ask(history, ANN, None, then) == folded
        assert ask(history, ANN, None, at(second)) == folded


def test_the_past_has_these_figures(history: History) -> None:
    then = history.as_of_now(ANN, 13, None)

    assert (str(then.cash), str(then.held), str(then.available), then.events) == (
        "9002.00",
        "0.00",
        "9002.00",
        13,
    )
    (position,) = then.positions
    assert (position.symbol, str(position.quantity), str(position.reserved)) == (
        "AAPL",
        "10.000000",
        "7.000000",
    )
    assert [(str(lot.quantity), str(lot.cost)) for lot in position.lots] == [
        ("4.000000", "398.00"),
        ("6.000000", "600.00"),
    ]
    assert [order.order_id for order in then.open_orders] == [SALE]


def test_the_same_question_has_the_same_answer_later(desk: Desk, history: History) -> None:
    questions: list[Any] = [(ANN, position, None) for position in (1, 13, 25, 41)]
    questions += [(ANN, None, at(second)) for second in (1, 8, 22, 3599)]
    before = [ask(history, *question) for question in questions]

    desk.all_at_once([deposit(ANN)] * 50)
    desk.opened()

    assert [ask(history, *question) for question in questions] == before


def test_before_the_account_existed_there_is_nothing_to_tell(history: History) -> None:
    with pytest.raises(MomentMustBeWithinTheAccountsLife):
        ask(history, BOB, 39)
    with pytest.raises(MomentMustBeWithinTheAccountsLife):
        ask(history, ANN, None, at(0))


def test_an_account_that_never_was_is_not_found(history: History) -> None:
    for question in ((None, None), (5, None), (None, at(5))):
        with pytest.raises(AccountMustExist):
            ask(history, UUID(int=99), *question)


def test_what_has_not_happened_yet_cannot_be_told(history: History) -> None:
    for question in ((42, None), (None, at(3600)), (None, at(9999))):
        with pytest.raises(InstantMustBeWellFormed):
            ask(history, ANN, *question)


def test_a_moment_before_the_logs_last_has_passed_even_when_the_clock_was_set_back(
    desk: Desk, history: History
) -> None:
    before = ask(history, ANN, None, at(20))
    desk.time = at(10)

    assert ask(history, ANN, None, at(20)) == before
    with pytest.raises(InstantMustBeWellFormed):
        ask(history, ANN, None, at(24))


def test_an_answer_about_a_moment_waits_for_what_is_being_stored_under_it(
    desk: Desk, history: History
) -> None:
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(ask(history, ANN, None, at(3600))))
    with connect(desk.url, application="test") as other, other.transaction():
        other.execute(TAKE_LOCK, (LOG_LOCK,))
        stored_at_3600 = desk.committer.submit(request(deposit(ANN)))
        _until_waiting(desk.url, 1)
        desk.time = at(3601)
        asking.start()
        _until_waiting(desk.url, 2)

    stored_at_3600.result(60)
    asking.join(60)

    assert answers == [ask(history, ANN, None, at(3600))]


def _until_waiting(url: str, wanted: int) -> None:
    def waiting() -> bool:
        with connect(url, application="test") as connection:
            sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            found = connection.execute(sql).fetchone()
        return found is not None and found[0] >= wanted

    until(waiting)
