"""Several committers on one log, on the same accounts: each answer is what the log says at its position."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from application import commands as c
from application.answers import AccountAnswer, Answer, OrderAnswer
from application.brokerage import fold
from application.handlers import handle
from application.ledger import Ledger
from application.requests import Request
from application.rules import TradingRules
from domain.aggregate import Event
from domain.errors import Refusal
from domain.terms import OrderType, Side, TimeInForce
from infrastructure.eventstore import batch
from infrastructure.eventstore import committer as module
from infrastructure.eventstore.cache import AggregateCache
from infrastructure.eventstore.committer import Committer, CommitterSettings
from infrastructure.eventstore.log import APPEND, LOG_LOCK, TAKE_LOCK, Appending, read_after
from infrastructure.eventstore.mapper import EventIsUnreadable
from infrastructure.postgres.connections import connect

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
FEW = 12
"""More than so many rows of others, and a committer of these tests reads again."""


class Noon:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


class Careless(AggregateCache):
    """Wrong on purpose: takes note of versions, not of what happened."""

    def _fold(self, key: int) -> None:
        for version, _, _ in self._taken(key):
            self._entries[key].version = version


class Move(Struct, frozen=True):
    """Who gives which command about which account."""

    by: int
    what: str
    account: int
    amount: Decimal


class Table:
    """Three committers: one forgets nothing, one nearly everything, and one folds what it learned at once.

    Beside them the log is folded anew.
    """

    def __init__(self, database: Any, servers: Any, *, cache: type[AggregateCache] = AggregateCache) -> None:
        self.url = database.app_url
        self._superuser = servers.postgres.url(user="postgres", database="postgres")
        self._connection = connect(self.url, application="test")
        self.log: list[Event] = []
        self.accounts: list[UUID] = []
        self.orders: dict[UUID, UUID] = {}
        self.committers = [
            self._committer(cache(200_000)),
            self._committer(cache(2)),
            self._committer(cache(200_000, behind_limit=0)),
        ]

    def _committer(self, cache: AggregateCache) -> Committer:
        one = Committer(self.url, clock=Noon(), settings=CommitterSettings(batch_limit=6))
        one._cache = cache
        return one.start()

    def close(self) -> None:
        for committer in self.committers:
            committer.stop()
        self._connection.close()

    def begin(self) -> None:
        """New accounts, each opened by another committer, with a hundred dollars from the next."""
        self.accounts = [uuid4() for _ in range(3)]
        self.orders = {}
        for number, account_id in enumerate(self.accounts):
            self.give(number, c.OpenAccount(account_id=account_id, owner_id=account_id)).result(60)
            amount = {"transfer_id": uuid4(), "amount": Decimal(100)}
            self.give(number + 1, c.Deposit(account_id=account_id, **amount)).result(60)

    def give(self, by: int, command: c.Command) -> Any:
        return self.committers[by % 3].submit(Request.by_role("test", command))

    def take(self, move: Move) -> Any:
        """Give a move's command; what cannot be written down changes memory before that is found."""
        request = Request.by_role("test", self.command(move))
        if move.what == "unwritable":
            request = replace(request, metadata=replace(request.metadata, actor="\ud800"))
        return self.committers[move.by % 3].submit(request)

    def command(self, move: Move) -> c.Command:
        account_id = self.accounts[move.account]
        ids = {"account_id": account_id, "order_id": self.orders.get(account_id) or uuid4()}
        match move.what:
            case "deposit" | "unwritable":
                return c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=move.amount)
            case "withdraw":
                return c.Withdraw(account_id=account_id, transfer_id=uuid4(), amount=move.amount)
            case "cancel":
                return c.CancelOrder(**ids)
            case "replace":
                return c.ReplaceOrder(**ids, quantity=move.amount)
            case "execute":
                deal = {"quantity": Decimal(1), "price": Decimal(1), "venue": "X", "quote": 1}
                return c.ExecuteOrder(**ids, execution_id=uuid4(), **deal)
        return self._order(account_id, move.amount)

    def _order(self, account_id: UUID, quantity: Decimal) -> c.PlaceOrder:
        self.orders[account_id] = uuid4()
        return c.PlaceOrder(
            account_id=account_id,
            order_id=self.orders[account_id],
            symbol="IBM",
            side=Side.BUY,
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            quantity=quantity,
            limit_price=Decimal(1),
        )

    def look(self) -> None:
        self.log += [row.event() for row in read_after(self._connection, len(self.log), limit=100_000)]

    def at(self, stream_id: UUID, position: int) -> Any:
        """An aggregate as of a position, folded anew."""
        return fold(None, (event for event in self.log[:position] if event.originator_id == stream_id))

    def expected(self, command: c.Command) -> Answer | type[Refusal]:
        """What the handler says on the log as it is."""
        end = len(self.log)

        def load(kind: type[Any], stream_id: UUID, account_id: UUID) -> Any:
            return self.at(stream_id, end) or kind(id=stream_id, account_id=account_id)

        ledger = Ledger(load, now=NOW, rules=TradingRules())
        try:
            answer = handle(command, ledger)
        except Refusal as refusal:
            return type(refusal)
        answer.log_position = end + len(ledger.decided())
        return answer

    def alone(self, move: Move) -> None:
        """One command while nobody else does anything: the outcome is exactly what the log demands."""
        self.look()
        command = self.command(move)
        expected = self.expected(command)
        future = self.give(move.by, command)
        error = future.exception(60)
        assert (future.result() if error is None else type(error)) == expected

    def together(self, moves: Sequence[Move], *, is_cut: bool) -> None:
        """Many at once, for some in one batch: each answer is the state at its position."""
        futures = []
        for number, move in enumerate(moves):
            futures.append(self.take(move))
            if is_cut and number == len(moves) // 2:
                self.cut()
        outcomes = [
            (move.what, future.exception(60), future) for move, future in zip(moves, futures, strict=True)
        ]
        self.look()
        for what, error, future in outcomes:
            expected = UnicodeEncodeError if what == "unwritable" else Refusal
            assert isinstance(error, expected | None), error
            if error is None:
                self.require(future.result())

    def require(self, answer: Answer) -> None:
        assert isinstance(answer, AccountAnswer | OrderAnswer)
        kind = type(answer)
        stream_id = answer.order_id if isinstance(answer, OrderAnswer) else answer.account_id
        then = kind.of(self.at(stream_id, answer.log_position))
        then = replace(then, log_position=answer.log_position)
        if isinstance(answer, AccountAnswer):
            then = replace(then, transfer_id=answer.transfer_id, transfer_status=answer.transfer_status)
        assert answer == then

    def cut(self) -> None:
        with connect(self._superuser, application="cutter") as cutter:
            cutter.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'daybook committer'"
            )

    def require_memory_to_be_the_log(self) -> None:
        """What each has in memory when it has ended is the fold as far as it has seen."""
        self.close()
        with connect(self.url, application="test") as self._connection:
            self.look()
        for committer in self.committers:
            cache, seen = committer._cache, committer.log_position
            for entry in list(cache._entries.values()):
                assert cache.get(entry.id) in (None, self.at(entry.id, seen))


MONEY = st.sampled_from([Decimal(n) for n in (1, 2, 40, 90, 500)])
KINDS = ["deposit", "withdraw", "place", "cancel", "replace", "execute"]
TOGETHER = ["unwritable", *KINDS]
MOVES = st.builds(Move, st.integers(0, 2), st.sampled_from(KINDS), st.integers(0, 2), MONEY)
ANY = st.builds(Move, st.integers(0, 2), st.sampled_from(TOGETHER), st.integers(0, 2), MONEY)
STEPS = st.lists(
    MOVES | st.tuples(st.lists(ANY, min_size=2, max_size=16), st.sampled_from([False] * 5 + [True]))
)


def live(table: Table, examples: int, **others: Any) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), **others)
    @given(STEPS)
    def tell(steps: list[Any]) -> None:
        table.begin()
        for step in steps:
            if isinstance(step, Move):
                table.alone(step)
            else:
                table.together(step[0], is_cut=step[1])
        for number in range(9):
            table.alone(Move(number, "withdraw", number // 3, Decimal(1)))

    tell()


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Committers read again after a few rows of others, and let PostgreSQL begin with each command's rows at once."""
    monkeypatch.setattr(module, "FOREIGN_LIMIT", FEW)
    monkeypatch.setattr(batch, "WORTH_SENDING", 1)


@pytest.fixture
def table(database: Any, servers: Any) -> Iterator[Table]:
    found = Table(database, servers)
    yield found
    found.close()


def test_whoever_decides_it_each_answer_is_what_the_log_says_at_its_position(table: Table) -> None:
    live(table, 60)

    table.require_memory_to_be_the_log()
    assert len(table.log) > 500, "hardly anything was decided"


def test_a_committer_that_folds_wrongly_is_caught(database: Any, servers: Any) -> None:
    careless = Table(database, servers, cache=Careless)
    try:
        with pytest.raises(AssertionError):
            live(careless, 30, phases=[Phase.generate], derandomize=True)
    finally:
        careless.close()


def test_a_foreign_event_that_cannot_be_read_fails_the_commands_on_its_account_alone(table: Table) -> None:
    table.begin()
    table.look()
    for move in [Move(0, "deposit", account, Decimal(1)) for account in (0, 1)]:
        table.give(move.by, table.command(move)).result(60)
    table.look()
    poison = table.at(table.accounts[0], len(table.log))
    poison.deposit(Decimal(7), transfer_id=uuid4(), at=NOW)
    rows = Appending(len(table.log))
    rows.extend(poison.pending, topics=["Account.Deposited"], states=[b'{"amount": 1}'], said=b"{}")

    with connect(table.url, application="test") as other, other.transaction():
        other.execute(TAKE_LOCK, (LOG_LOCK,))
        moves = [Move(0, "deposit", account, Decimal(1)) for account in (0, 1, 0, 1)]
        futures = [table.give(0, table.command(move)) for move in moves]
        other.execute(APPEND, rows.columns())

    assert [type(future.exception(60)) for future in futures] == [EventIsUnreadable, type(None)] * 2
    assert [future.result(60).cash for future in futures[1::2]] == [Decimal(102), Decimal(103)]
    again = [table.give(by, table.command(Move(by, "deposit", by // 3, Decimal(1)))) for by in range(6)]
    errors = [type(future.exception(60)) for future in again]
    assert errors == [EventIsUnreadable] * 3 + [type(None)] * 3


def test_an_order_that_another_begins_after_the_prefetch_is_not_blank(table: Table) -> None:
    """The stream is looked for before the log lock, and begun by another while we wait for it."""
    table.begin()
    order = replace(table._order(table.accounts[0], Decimal(1)), is_new=False, client_order_id="mine")
    with connect(table.url, application="test") as other, other.transaction():
        other.execute(TAKE_LOCK, (LOG_LOCK,))
        futures = [table.give(by, order) for by in (0, 2)]

    outcomes = [future.exception(60) for future in futures]

    assert sum(outcome is None for outcome in outcomes) == 1
    table.look()
    assert len([event for event in table.log if event.originator_id == order.order_id]) == 1
