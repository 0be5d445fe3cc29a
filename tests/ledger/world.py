"""One database with everything that writes and reads it, for many examples one after the other."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from application.brokerage import fold
from application.history import AccountAsOf
from application.rules import FundingTerms, TradingRules
from domain.aggregate import Aggregate
from domain.fees import FeeSchedule, Per, Rate
from domain.terms import Side
from infrastructure.eventstore.account_snapshots import AccountSnapshotter
from infrastructure.eventstore.committer import Committer, CommitterSettings
from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import async_pool, connect, pool
from infrastructure.projecting.folding import facts_of
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.tables import column_list, row_from
from infrastructure.projecting.worker import Worker
from infrastructure.reading import History, News, Reads
from projections.catalogue import PROJECTIONS
from projections.projection import Fact, Projection, key_of
from projections.questions import Question
from tests.ledger.books import Books
from tests.ledger.naive import TABLES

NOWHERE = "redis://127.0.0.1:1/0"
LARGE = 2000
"""Events in a batch."""


BOTH = frozenset(Side)
FEES = FeeSchedule(
    (
        Rate(
            name="commission",
            since=date(2026, 3, 3),
            rate=Decimal("0.0035"),
            per=Per.SHARE,
            sides=BOTH,
            least=Decimal("0.35"),
        ),
        Rate(name="sec31", since=date(2026, 1, 1), rate=Decimal("0.0000206"), per=Per.DOLLAR),
        Rate(
            name="taf", since=date(2026, 3, 4), rate=Decimal("0.000195"), per=Per.SHARE, most=Decimal("9.79")
        ),
    )
)
"""Without a commission on the first day, and with a fee more from the third on."""


class World:
    """Two committers with small caches, a projector, readers, and the log folded beside them.

    `forgets` is an event that our own fold leaves out: then the invariants must fail.
    """

    def __init__(
        self, url: str, *, projections: Sequence[Projection] = PROJECTIONS, forgets: type[Any] | None = None
    ) -> None:
        self.url = url
        self.time = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
        self.facts: list[Fact] = []
        self._facts_of: defaultdict[UUID | None, list[Fact]] = defaultdict(list)
        self.books = Books()
        self.aggregates: dict[UUID, Any] = {}
        self.answers: list[tuple[tuple[Any, ...], bytes]] = []
        self.found: list[AssertionError] = []
        self._projections, self._forgets = projections, forgets
        settings = CommitterSettings(cache_aggregates=8, rules=TradingRules(fees=FEES))
        self.committer = Committer(url, clock=self, settings=settings).start()
        self.beside = Committer(url, clock=self, settings=settings).start()
        bank = TradingRules(fees=FEES, funding=FundingTerms(is_instant=False))
        through_a_bank = CommitterSettings(cache_aggregates=8, rules=bank)
        self.through_a_bank = Committer(url, clock=self, settings=through_a_bank).start()
        self._connection = connect(url, application="test")
        self._loop = asyncio.new_event_loop()
        self._async_pool = async_pool(url, application="test", size=1)
        self._loop.run_until_complete(self._async_pool.open())
        self._pool = pool(url, application="test", size=1)
        self._pool.open()
        self._reads = Reads(self._async_pool, News(NOWHERE), patience=0, log_end=lambda: len(self.facts))
        self._history = History(self._pool, self.now)
        self._snapshots = AccountSnapshotter(url, every=5, looked_at=3)
        by_name = {projection.name: projection for projection in projections}
        self._worker = Worker(url, by_name, batch=LARGE)
        self._worker.start()
        self.project(LARGE)

    def close(self) -> None:
        self._worker.close()
        self.committer.stop()
        self.beside.stop()
        self.through_a_bank.stop()
        self._connection.close()
        self._loop.run_until_complete(self._async_pool.close())
        self._loop.close()
        self._pool.close()

    def now(self) -> datetime:
        """The clock of everything."""
        return self.time

    def pass_time(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def look(self) -> list[Fact]:
        """Read what is new in the log and fold it. Positions have no gap, and time never runs backwards."""
        new = facts_of(read_after(self._connection, len(self.facts), limit=10_000))
        for fact in new:
            event = fact.event
            assert fact.log_position == len(self.facts) + 1
            assert not self.facts or event.recorded_at >= self.facts[-1].event.recorded_at
            self.facts.append(fact)
            self._facts_of[event.account_id].append(fact)
            if type(event) is not self._forgets:
                self.aggregates[event.originator_id] = fold(
                    self.aggregates.get(event.originator_id), (event,)
                )
        self.books.add(new)
        return new

    def project(self, batch: int) -> None:
        """Bring the read tables up to the log: in large batches by a worker that goes on, else by one that begins anew.

        Each finds lanes that the other, or a rebuild, has moved.
        """
        if batch != LARGE:
            Projector(self.url, self._projections, wake=threading.Event(), batch=batch).catch_up()
            return
        one = self._worker
        while one.step() or one.wait_for_rebuilds() or one.wait_for_retries():
            pass

    def ask(self, question: Question[Any], **parameters: Any) -> list[Any]:
        """The rows of the answer, as of the end of the log."""
        asked = self._reads.many(question, min_position=len(self.facts), **parameters)
        return self._loop.run_until_complete(asked).rows

    def as_of(self, account_id: UUID, position: int | None, at: datetime | None) -> bytes:
        """The account as it was, as the bytes that would go out; some of the time from a snapshot."""
        return msgspec.json.encode(self._history.as_of_now(account_id, position, at))

    def take_snapshots(self) -> int:
        """Keep accounts as they stand now and then."""
        return self._snapshots.take()

    def explained(self, account_id: UUID, position: int | None, at: datetime | None) -> AccountAsOf:
        """The same, with the events that made each number."""
        return self._history.as_of_now(account_id, position, at, explain=True)

    def of(self, account_ids: Sequence[UUID]) -> list[Fact]:
        """The facts about these accounts."""
        found = [fact for account_id in set(account_ids) for fact in self._facts_of[account_id]]
        return sorted(found, key=lambda fact: fact.log_position)

    def seen_by(self, aggregate: Aggregate) -> list[Fact]:
        """The aggregate's own facts as far as it is folded: what the committer beside wrote may not be in it yet."""
        return [
            fact
            for fact in self.facts
            if fact.event.originator_id == aggregate.id and fact.event.originator_version <= aggregate.version
        ]

    def next_committer(self) -> Committer:
        """The committer and the one beside it, in turns: each learns what the other wrote."""
        self.committer, self.beside = self.beside, self.committer
        return self.committer

    def cached(self) -> list[Aggregate]:
        """What the two committers have in memory between two batches, all that they learned folded."""
        found = []
        for cache in (self.committer._cache, self.beside._cache):
            found += [cache.get(entry.id) for entry in list(cache._entries.values())]
        return [entry for entry in found if entry is not None]

    def require_tables_to_be_the_fold(self, account_ids: Sequence[UUID]) -> None:
        """Each row of these accounts in each read table is what scanning the log says, and there is no other."""
        facts = self.of(account_ids)
        for projection in self._projections:
            columns, name = column_list(projection.table), projection.name
            sql = f"SELECT {columns} FROM read.{name} WHERE account_id = ANY(%s)".encode()
            found = [row_from(projection, row) for row in self._connection.execute(sql, (list(account_ids),))]
            assert {key_of(projection, row): row for row in found} == TABLES[name](facts), name

    def require_old_answers(self, count: int | None = None) -> None:
        """The last answers about the past, asked for again, are the same bytes."""
        for question, answer in self.answers if count is None else self.answers[-count:]:
            assert self.as_of(*question) == answer
