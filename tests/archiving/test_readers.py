"""Each of those who read old events finds them in the archive."""

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from domain.book import Book
from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.books.check import check_books
from infrastructure.books.exporting import export
from infrastructure.books.scope import Wanted
from infrastructure.correcting import Originals
from infrastructure.executing.working_orders import WorkingOrders
from infrastructure.news import News
from infrastructure.past import open_history
from infrastructure.postgres.connections import async_pool, connect
from infrastructure.projecting.repairing import repair
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.verifying import verify as verify_projections
from infrastructure.reading import OrdersNow
from projections.catalogue import BY_NAME, PROJECTIONS
from tests.archiving.parts import Kept
from tests.projecting.worked import ANN, BOB, FIRST, OPEN_SALE, STOP, WORKED, tables

NOWHERE = "redis://127.0.0.1:1/0"


def test_orders_as_they_are_now(kept: Kept) -> None:
    kept.live()
    ids = (FIRST, STOP, OPEN_SALE)
    before = [orders_now(kept, one) for one in ids]

    kept.archive()

    assert [orders_now(kept, one) for one in ids] == before


def orders_now(kept: Kept, order_id: Any) -> bytes:
    async def ask() -> bytes:
        pool = async_pool(kept.url, application="test", size=1)
        await pool.open()
        try:
            return msgspec.json.encode(await OrdersNow(pool, News(NOWHERE)).now(order_id, ANN))
        finally:
            await pool.close()

    return asyncio.run(ask())


def test_what_is_to_be_taken_back(kept: Kept) -> None:
    kept.live()
    Projector(kept.url, PROJECTIONS, wake=threading.Event()).catch_up()
    rows = kept.rows()
    booked = [row.log_position for row in rows if row.topic in ("Account.Deposited", "Order.Executed")]
    originals = Originals(lambda: connect(kept.url, application="test"))
    before = [repr(originals.reversal(one, reason="wrong")) for one in booked]

    kept.archive()

    assert len(before) > 2
    assert [repr(originals.reversal(one, reason="wrong")) for one in booked] == before


def test_accounts_of_the_books(kept: Kept) -> None:
    kept.live()

    def told() -> Any:
        with kept.connection() as connection:
            accounts = Accounts(connection)
            return (
                accounts.first_opened(),
                [*accounts.events_of([ANN, BOB, FIRST])],
                accounts.corporate_actions(),
            )

    before = told()
    kept.archive()

    assert told() == before
    assert before[0] is not None


def test_working_orders_out_of_the_whole_log(kept: Kept) -> None:
    kept.live(WORKED[:17])  # the last one is an order that stays open

    def open_orders() -> Any:
        with kept.connection() as connection:
            working = WorkingOrders(connection, Book("last"))
            working.build()
            return sorted(working._orders), working._ranks, working._taken

    before = open_orders()
    kept.archive()

    assert open_orders() == before
    assert before[0] == [OPEN_SALE]


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_projector_that_is_behind_the_archive(kept: Kept, partitions: int) -> None:
    kept.live(WORKED[:9], months=2)
    project(kept, partitions)
    for number, command in enumerate(WORKED[9:]):
        kept.desk.time = max(kept.desk.time, kept.desk.time.replace(month=min(6, 3 + number // 5)))
        kept.desk.do(command)
    kept.examined.seal()
    kept.archive()

    project(kept, partitions)

    found = list(verify_projections(kept.url, PROJECTIONS, rows=True))
    assert [one.name for one in found if not one.is_complete] == []
    assert {one.position for one in found} == {kept.hot()[-1]}
    before = tables(kept.url)
    for name in ("balances", "positions", "orders"):
        assert repair(kept.url, BY_NAME[name], ANN).differences == 0
    assert tables(kept.url) == before


def project(kept: Kept, partitions: int) -> None:
    Projector(kept.url, PROJECTIONS, wake=threading.Event(), batch=7, partitions=partitions).catch_up()


def test_books_of_a_past_moment(kept: Kept) -> None:
    kept.live()
    project(kept, 1)
    known = kept.rows()[12].recorded_at

    def told() -> Any:
        books = [b"".join(export(kept.url, "beancount", one, now=lambda: kept.desk.time)) for one in wishes]
        checked = check_books(kept.url)
        return books, checked.violation, checked.tables_at

    wishes = (Wanted(), Wanted(known_at=known), Wanted(account_id=ANN))
    before = told()
    kept.archive()

    assert told() == before


def test_who_has_only_archived_events_exists(kept: Kept) -> None:
    kept.live((*WORKED[-2:], *WORKED[:-2]))  # Bob opens and closes first
    with open_history(kept.url, lambda: kept.desk.time) as history:
        before = history.as_of_now(BOB, None, kept.rows()[0].recorded_at)
    kept.archive()

    with open_history(kept.url, lambda: kept.desk.time) as history:
        assert history.as_of_now(BOB, None, kept.rows()[0].recorded_at) == before
    assert not [one for one in kept.hot() if one == 1]
