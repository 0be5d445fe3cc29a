"""The committer: many commands in one transaction, strictly in order, each once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg
import pytest

from application import commands as c
from application.answers import AccountAnswer, OrderAnswer
from application.brokerage import Brokerage, fold
from application.errors import MarketClockMustRun
from application.requests import Metadata, Request
from domain.account import Account
from domain.errors import (
    AccountMustExist,
    AvailableCashMustCoverWithdrawal,
    ClientOrderIdMustBeUnique,
    IdempotencyKeyMustMatchItsRequest,
)
from domain.order import Order
from domain.terms import OrderType, Side, TimeInForce
from infrastructure.eventstore.batch import WORTH_SENDING
from infrastructure.eventstore.committer import Committer, CommitterSettings
from infrastructure.eventstore.log import LOG_LOCK, read_after
from infrastructure.eventstore.recorder import LogRecorder
from infrastructure.postgres.connections import connect


class FixedClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def request(command: c.Command, *, key: str | None = None, request_hash: bytes = b"same") -> Request:
    metadata = Metadata(actor="test", role="customer", request_id=uuid4(), idempotency_key=key)
    return Request(command=command, metadata=metadata, request_hash=request_hash)


def deposit(account_id: UUID, amount: str) -> c.Deposit:
    return c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=Decimal(amount))


def limit_buy(account_id: UUID, **changes: Any) -> c.PlaceOrder:
    terms: dict[str, Any] = {
        "symbol": "IBM",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": Decimal(1),
        "limit_price": Decimal(10),
        "time_in_force": TimeInForce.GTC,
    }
    return c.PlaceOrder(account_id=account_id, order_id=uuid4(), **{**terms, **changes})


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def committer(database: Any, clock: FixedClock) -> Iterator[Committer]:
    one = Committer(database.app_url, clock=clock).start()
    yield one
    one.stop()


@pytest.fixture
def account_id(committer: Committer) -> UUID:
    account = uuid4()
    committer.submit(request(c.OpenAccount(account_id=account, owner_id=uuid4()))).result(60)
    committer.submit(request(deposit(account, "100.00"))).result(60)
    return account


def rows(url: str) -> list[Any]:
    with connect(url, application="test") as connection:
        return read_after(connection, 0, limit=1_000_000)


def test_positions_count_from_one_without_gaps_and_answers_name_theirs(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    answers = [committer.submit(request(deposit(account_id, "1.00"))) for _ in range(50)]

    positions = [future.result(60).log_position for future in answers]

    assert positions == list(range(3, 53))
    assert [row.log_position for row in rows(database.app_url)] == list(range(1, 53))


def test_a_repeated_key_is_answered_with_the_first_answer_and_records_nothing(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    first = committer.submit(request(deposit(account_id, "5.00"), key="k")).result(60)

    repeated = committer.submit(request(deposit(account_id, "5.00"), key="k")).result(60)
    both_at_once = [committer.submit(request(deposit(account_id, "6.00"), key="j")) for _ in range(2)]

    assert repeated == first
    assert both_at_once[0].result(60) == both_at_once[1].result(60)
    assert len(rows(database.app_url)) == 4


def test_a_key_with_another_request_is_refused(committer: Committer, account_id: UUID) -> None:
    committer.submit(request(deposit(account_id, "5.00"), key="k")).result(60)

    other = committer.submit(request(deposit(account_id, "7.00"), key="k", request_hash=b"other"))

    with pytest.raises(IdempotencyKeyMustMatchItsRequest):
        other.result(60)


def test_a_refused_command_records_nothing_and_its_neighbours_go_on(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    withdrawals = [
        committer.submit(
            request(c.Withdraw(account_id=account_id, transfer_id=uuid4(), amount=Decimal("40.00")))
        )
        for _ in range(3)
    ]

    with pytest.raises(AvailableCashMustCoverWithdrawal):
        withdrawals[2].result(60)

    assert [f.result(60).cash for f in withdrawals[:2]] == [Decimal("60.00"), Decimal("20.00")]
    assert len(rows(database.app_url)) == 4


def test_a_refusal_after_a_change_in_memory_leaves_what_the_batch_decided_before(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    with connect(database.owner_url, application="test") as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        warm = committer.submit(request(deposit(account_id, "0.01")))  # the batch that waits for the lock
        order = limit_buy(account_id)
        placed = committer.submit(request(order))
        too_much = committer.submit(
            request(c.ReplaceOrder(account_id=account_id, order_id=order.order_id, quantity=Decimal(1000)))
        )
        fine = committer.submit(
            request(c.ReplaceOrder(account_id=account_id, order_id=order.order_id, quantity=Decimal(2)))
        )

    warm.result(60)
    placed.result(60)
    assert too_much.exception(60) is not None
    answer = fine.result(60)
    assert isinstance(answer, OrderAnswer)
    assert (answer.quantity, answer.revision, answer.status) == (Decimal(2), 1, "accepted")


def test_a_refusal_after_rows_were_sent_folds_none_of_them_twice(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    """What the batch has sent ahead is in its transaction already, where an aggregate that was dropped is read again."""
    cents = WORTH_SENDING + 200
    with connect(database.owner_url, application="test") as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        committer.submit(request(deposit(account_id, "0.01")))  # the batch that waits for the lock
        futures = [committer.submit(request(deposit(account_id, "0.01"))) for _ in range(cents)]
        unwritable = Metadata(actor="\ud800", role="customer", request_id=uuid4())
        lost = committer.submit(Request(command=deposit(account_id, "7.00"), metadata=unwritable))
        futures.append(committer.submit(request(deposit(account_id, "1.00"))))

    answers = [future.result(60) for future in futures]

    assert isinstance(lost.exception(60), ValueError)
    last = answers[-1]
    assert isinstance(last, AccountAnswer)
    assert last.cash == Decimal("101.01") + cents * Decimal("0.01")
    assert [row.log_position for row in rows(database.app_url)] == list(range(1, last.log_position + 1))


def test_an_unknown_account_is_refused(committer: Committer) -> None:
    with pytest.raises(AccountMustExist):
        committer.submit(request(deposit(uuid4(), "1.00"))).result(60)


def test_a_client_order_id_makes_one_order(committer: Committer, account_id: UUID) -> None:
    order_id = uuid5(account_id, "mine")
    orders = [limit_buy(account_id, client_order_id="mine", is_new=False) for _ in range(2)]
    first, second = (
        committer.submit(
            request(c.PlaceOrder(**{**{f: getattr(o, f) for f in o.__struct_fields__}, "order_id": order_id}))
        )
        for o in orders
    )

    first.result(60)

    with pytest.raises(ClientOrderIdMustBeUnique):
        second.result(60)


def test_two_committers_on_one_log_see_each_other(
    committer: Committer, account_id: UUID, database: Any, clock: FixedClock
) -> None:
    other = Committer(database.app_url, clock=clock).start()
    futures = [
        (committer if n % 2 else other).submit(request(deposit(account_id, "1.00"))) for n in range(200)
    ]

    answers = [future.result(60) for future in futures]
    other.stop()

    cash = {answer.cash for answer in answers if isinstance(answer, AccountAnswer)}
    assert cash == {Decimal(100 + n) for n in range(1, 201)}


def test_time_never_runs_backwards_along_the_log(
    committer: Committer, account_id: UUID, database: Any, clock: FixedClock
) -> None:
    clock.time = datetime(2020, 1, 1, tzinfo=UTC)

    committer.submit(request(deposit(account_id, "1.00"))).result(60)

    times = [row.recorded_at for row in rows(database.app_url)]
    assert times == sorted(times)
    assert times[-1] == datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def test_a_cut_connection_loses_and_doubles_nothing(
    committer: Committer, account_id: UUID, servers: Any, database: Any
) -> None:
    superuser = servers.postgres.url(user="postgres", database="postgres")
    futures = []
    with connect(superuser, application="cutter") as cutter:
        for n in range(300):
            futures.append(committer.submit(request(deposit(account_id, "1.00"), key=f"d{n}")))
            if n % 30 == 0:
                cutter.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'daybook committer'"
                )

    answers = [future.result(60) for future in futures]

    assert len({answer.log_position for answer in answers}) == 300
    with connect(database.app_url, application="test") as connection:
        events = [row.event() for row in read_after(connection, 0, limit=10_000)]
    assert fold(None, (e for e in events if e.account_id == account_id)).cash == Decimal("400.00")


def test_what_the_database_will_not_take_does_not_stop_its_neighbours(
    committer: Committer, account_id: UUID
) -> None:
    poison = committer.submit(request(deposit(account_id, "1.00"), key="a\x00b"))
    sound = committer.submit(request(deposit(account_id, "1.00")))

    assert poison.exception(60) is not None
    answer = sound.result(60)
    assert isinstance(answer, AccountAnswer)
    assert answer.cash == Decimal("101.00")


def test_a_command_that_cannot_be_written_down_leaves_no_trace(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    unwritable = Metadata(actor="\ud800", role="customer", request_id=uuid4())
    lost = committer.submit(Request(command=deposit(account_id, "7.00"), metadata=unwritable))
    sound = committer.submit(request(deposit(account_id, "1.00")))

    assert isinstance(lost.exception(60), ValueError)
    answer = sound.result(60)
    assert isinstance(answer, AccountAnswer)
    assert (answer.cash, answer.log_position) == (Decimal("101.00"), 3)
    assert len(rows(database.app_url)) == 3


def test_a_batch_of_more_aggregates_than_the_cache_holds_keeps_what_it_decided(
    database: Any, clock: FixedClock
) -> None:
    one = Committer(database.app_url, clock=clock, settings=CommitterSettings(cache_aggregates=1)).start()
    accounts = [uuid4() for _ in range(20)]
    with connect(database.owner_url, application="test") as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        opened = [
            one.submit(request(c.OpenAccount(account_id=account, owner_id=uuid4()))) for account in accounts
        ]
        paid = [one.submit(request(deposit(account, "1.00"))) for account in accounts * 3]

    answers = [future.result(60) for future in opened + paid]
    one.stop()

    assert [a.log_position for a in answers] == list(range(1, 81))
    assert [a.cash for a in answers[-20:] if isinstance(a, AccountAnswer)] == [Decimal("3.00")] * 20


def test_a_small_cache_gives_the_same_answers(database: Any, clock: FixedClock) -> None:
    settings = CommitterSettings(cache_aggregates=2)
    one = Committer(database.app_url, clock=clock, settings=settings).start()
    accounts = [uuid4() for _ in range(5)]
    for account in accounts:
        one.submit(request(c.OpenAccount(account_id=account, owner_id=uuid4())))
    futures = [one.submit(request(deposit(accounts[n % 5], "1.00"))) for n in range(50)]

    answers = [future.result(60) for future in futures]
    one.stop()

    assert [a.cash for a in answers[-5:] if isinstance(a, AccountAnswer)] == [Decimal("10.00")] * 5


def test_the_log_refuses_update_delete_and_truncate(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    changes = [
        "UPDATE stored_events SET topic = 'x'",
        "DELETE FROM stored_events",
        "TRUNCATE stored_events",
    ]

    for url in (database.app_url, database.owner_url):
        with connect(url, application="test") as connection:
            for change in changes:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(change)

    assert len(rows(database.app_url)) == 2


def test_the_library_reads_and_writes_the_same_log(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(database.app_url)
    brokerage = Brokerage(
        env={
            "POSTGRES_DBNAME": str(parts["dbname"]),
            "POSTGRES_HOST": str(parts["host"]),
            "POSTGRES_PORT": str(parts.get("port", "5432")),
            "POSTGRES_USER": str(parts["user"]),
            "POSTGRES_PASSWORD": "",
        }
    )
    account = brokerage.aggregate(Account, account_id)
    account.deposit(Decimal("11.00"), transfer_id=uuid4(), at=datetime(2026, 3, 3, tzinfo=UTC))

    assert isinstance(brokerage.recorder, LogRecorder)
    brokerage.events.put(account.pending)

    answer = committer.submit(request(deposit(account_id, "1.00"))).result(60)
    brokerage.close()
    assert isinstance(answer, AccountAnswer)
    assert (answer.cash, answer.log_position) == (Decimal("112.00"), 4)


def test_an_order_and_its_hold_are_stored_together(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    answer = committer.submit(request(limit_buy(account_id))).result(60)

    assert isinstance(answer, OrderAnswer)
    new = rows(database.app_url)[2:]
    assert [row.topic for row in new] == ["Account.FundsHeld", "Order.Placed"]
    order = fold(None, [row.event() for row in new if row.topic == "Order.Placed"])
    assert isinstance(order, Order)
    assert order.cover == Decimal("10.00")


def test_a_clock_that_cannot_tell_the_time_leaves_the_log_free_for_others(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    class NoClock:
        def now(self) -> datetime:
            raise MarketClockMustRun("no market")

    lost = Committer(database.app_url, clock=NoClock()).start()

    refused = lost.submit(request(deposit(account_id, "1.00")))

    assert isinstance(refused.exception(60), MarketClockMustRun)
    answer = committer.submit(request(deposit(account_id, "1.00"))).result(2)
    lost.stop()
    assert answer.log_position == 3


def test_a_writer_that_stands_still_with_the_lock_loses_it(
    committer: Committer, account_id: UUID, database: Any
) -> None:
    stuck = connect(database.app_url, application="stuck", longest_transaction_ms=300)
    with stuck.pipeline():
        stuck.execute("BEGIN")
        stuck.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))

    answer = committer.submit(request(deposit(account_id, "1.00"))).result(5)

    with pytest.raises(psycopg.errors.TransactionTimeout):
        stuck.execute("SELECT 1")
    stuck.close()
    assert answer.log_position == 3
