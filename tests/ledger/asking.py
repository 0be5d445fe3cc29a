"""What may be asked at any time, and what scanning the log answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from application.history import account_as_of
from domain.errors import InstantMustBeWellFormed, MomentMustBeWithinTheAccountsLife
from domain.values import NOTHING
from infrastructure.projecting.rebuilding import rebuild
from projections.activity import ACTIVITY_OF_ACCOUNT
from projections.actors import DEEDS_OF_ACTOR
from projections.audit import AUDIT
from projections.balances import BALANCE_OF_ACCOUNT
from projections.catalogue import BY_NAME
from projections.executions import EXECUTIONS_OF_ORDER
from projections.history import EQUITY_OF_ACCOUNT, INTERVALS
from projections.holders import HOLDERS_OF_SYMBOL
from projections.open_orders import OPEN_ORDERS_OF_SYMBOL
from projections.orders import DAY_ORDERS_PLACED_BEFORE, ORDER, ORDERS_OF_ACCOUNT
from projections.positions import POSITIONS_OF_ACCOUNT
from projections.shares import LATEST
from projections.statements import STATEMENT_AT, STATEMENTS_OF_ACCOUNT
from tests.ledger import lineage, naive, naive_over_time
from tests.ledger.customers import ACTORS, SYMBOLS
from tests.ledger.trading import Trading
from tests.ledger.world import LARGE

FIRST_PAGE = 2**62
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)


class Asking(Trading):
    """Questions."""

    def some_page(self, data: st.DataObject) -> int:
        """A cursor: the first page, or one that begins not far from the log's end."""
        back = data.draw(st.integers(0, 60))
        return max(1, len(self.world.facts) + 1 - back) if back else FIRST_PAGE

    def expected(self, name: str, account_ids: list[UUID] | None = None) -> list[Any]:
        """Rows by scanning the log."""
        facts = self.world.of(self.accounts if account_ids is None else account_ids)
        return list(naive.TABLES[name](facts).values())

    @rule(batch=st.sampled_from([5, 50, LARGE]))
    def compare_everything(self, batch: int) -> None:
        self.world.project(batch)
        self.world.require_tables_to_be_the_fold(self.accounts)
        for aggregate in self.world.cached():
            if aggregate.account_id in self.accounts:
                assert aggregate == naive.aggregates(self.world.seen_by(aggregate))[aggregate.id]

    @rule(data=st.data())
    def ask_for_orders(self, data: st.DataObject) -> None:
        account_id = self.account(data.draw(st.integers(0, 2)))
        statuses = st.lists(
            st.sampled_from(["accepted", "partially_filled", "filled", "cancelled", "rejected"])
        )
        status, symbol = (
            data.draw(statuses | st.none()),
            data.draw(st.sampled_from([*SYMBOLS, "F"]) | st.none()),
        )
        limit, before = data.draw(st.integers(1, 4)), FIRST_PAGE
        wanted = [
            row
            for row in sorted(self.expected("orders", [account_id]), key=lambda row: -row.placed_position)
            if (status is None or row.status in status) and symbol in (None, row.symbol)
        ]
        self.world.project(LARGE)
        pages: list[Any] = []
        while page := self.world.ask(
            ORDERS_OF_ACCOUNT, account_id=account_id, status=status, symbol=symbol, limit=limit, before=before
        ):
            pages += page
            before = page[-1].placed_position
            assert len(page) <= limit
        assert pages == wanted

    @rule(data=st.data())
    def ask_for_activity(self, data: st.DataObject) -> None:
        account_id = self.account(data.draw(st.integers(0, 2)))
        types = data.draw(st.lists(st.sampled_from(naive.TYPES), max_size=3) | st.none())
        before = self.some_page(data)
        limit = data.draw(st.integers(1, 20))
        wanted = [
            row
            for row in reversed(self.expected("activity", [account_id]))
            if (types is None or row.type in types) and row.log_position < before
        ]
        self.world.project(LARGE)
        asked = {"account_id": account_id, "types": types, "before": before, "limit": limit}
        assert self.world.ask(ACTIVITY_OF_ACCOUNT, **asked) == wanted[:limit]

    @rule(data=st.data())
    def ask_for_the_audit(self, data: st.DataObject) -> None:
        account_id = data.draw(st.sampled_from(self.accounts) | st.none())
        actor = data.draw(st.sampled_from([*ACTORS, "nobody"]) | st.none())
        before = self.some_page(data)
        limit = data.draw(st.integers(1, 20))
        wanted = [
            row
            for row in reversed(naive.audit(self.world.facts[: before - 1]).values())
            if account_id in (None, row.account_id) and actor in (None, row.actor)
        ]
        self.world.project(LARGE)
        asked = {"account_id": account_id, "actor": actor, "before": before, "limit": limit}
        assert self.world.ask(AUDIT, **asked) == wanted[:limit]

    @rule(data=st.data(), seconds=st.sampled_from([0, 0.5, 3600]))
    def ask_for_the_rest(self, data: st.DataObject, seconds: float) -> None:
        account_id = self.account(data.draw(st.integers(0, 2)))
        self.world.project(LARGE)
        assert self.world.ask(BALANCE_OF_ACCOUNT, account_id=account_id) == self.expected(
            "balances", [account_id]
        )
        positions = sorted(self.expected("positions", [account_id]), key=lambda row: row.symbol)
        assert self.world.ask(POSITIONS_OF_ACCOUNT, account_id=account_id) == positions
        for order in self.expected("orders", [account_id])[-2:]:
            ids = {"order_id": order.order_id, "account_id": account_id}
            assert self.world.ask(ORDER, **ids) == [order]
            executions = [
                e for e in self.expected("executions", [account_id]) if e.order_id == order.order_id
            ]
            assert self.world.ask(EXECUTIONS_OF_ORDER, **ids) == executions
        moment = self.world.now() - timedelta(seconds=seconds)
        everyone = [fact.event.account_id for fact in self.world.facts]
        due = [
            row
            for row in self.expected("orders", everyone)
            if row.time_in_force == "day" and row.ended_at is None and row.placed_at < moment
        ]
        assert self.world.ask(DAY_ORDERS_PLACED_BEFORE, moment=moment, limit=1000) == due

    @rule()
    def take_snapshots_of_accounts(self) -> None:
        self.world.take_snapshots()

    @rule(data=st.data())
    def ask_for_the_past(self, data: st.DataObject) -> None:
        account_id = self.account(data.draw(st.integers(0, 2)))
        facts = self.world.of([account_id])
        if data.draw(st.booleans()):
            first = max(0, facts[0].log_position - 2)
            further = data.draw(st.integers(0, 300)) % (len(self.world.facts) - first + 1)
            position, moment = first + further, None
            then = [fact for fact in facts if fact.log_position <= position]
        else:
            near = self.one_of(facts, data).event.recorded_at
            position, moment = None, near + timedelta(seconds=data.draw(st.sampled_from([-1, 0, 1e-6, 2])))
            then = [fact for fact in facts if fact.event.recorded_at <= moment]
        self.check_the_past((account_id, position, moment), then)
        self.world.require_old_answers(3)

    def check_the_past(self, question: tuple[Any, ...], then: list[Any]) -> None:
        account_id, _, moment = question
        if moment is not None and moment >= self.world.now():
            with pytest.raises(InstantMustBeWellFormed):
                self.world.as_of(*question)
            return
        if not then:
            with pytest.raises(MomentMustBeWithinTheAccountsLife):
                self.world.as_of(*question)
            return
        answer = self.world.as_of(*question)
        folded = account_as_of(account_id, [(fact.log_position, fact.event) for fact in then])
        assert answer == msgspec.json.encode(folded)
        assert folded.cash == sum((naive.cash_moved(fact) or NOTHING for fact in then), NOTHING)
        lineage.require_numbers_explained(folded, self.world.explained(*question), then)
        self.world.answers.append((question, answer))

    @rule(data=st.data(), interval=st.sampled_from(INTERVALS), back=st.sampled_from([0, 3600, 10**6]))
    def ask_for_the_worth_over_time(self, data: st.DataObject, interval: str, back: int) -> None:
        account_id, limit = self.account(data.draw(st.integers(0, 2))), data.draw(st.integers(1, 4))
        since = naive_over_time.begin_of(interval, self.world.now() - timedelta(seconds=back))
        wanted = naive_over_time.points(self.expected("history", [account_id]), interval, since)
        self.world.project(LARGE)
        pages: list[Any] = []
        asked = {"account_id": account_id, "interval": interval, "since": since, "limit": limit}
        before = LATEST
        while page := self.world.ask(EQUITY_OF_ACCOUNT, **asked, before=before):
            pages += page
            before = page[-1].at
            assert len(page) <= limit
        assert pages == wanted

    @rule(data=st.data())
    def ask_for_statements(self, data: st.DataObject) -> None:
        account_id, limit = self.account(data.draw(st.integers(0, 2))), data.draw(st.integers(1, 4))
        rows = [row for row in self.expected("statements", [account_id]) if row.day != LATEST]
        wanted = sorted(rows, key=lambda row: row.day, reverse=True)
        self.world.project(LARGE)
        asked = {"account_id": account_id, "since": FIRST_DAY, "before": LATEST, "limit": limit}
        assert self.world.ask(STATEMENTS_OF_ACCOUNT, **asked) == wanted[:limit]
        near = wanted[data.draw(st.integers(0, 9)) % len(wanted)].day
        day = near - timedelta(days=data.draw(st.integers(-2, 1)))
        of_day = [row for row in wanted if row.day <= day][:1]
        assert self.world.ask(STATEMENT_AT, account_id=account_id, day=day) == of_day

    @rule(data=st.data(), symbol=st.sampled_from([*SYMBOLS, "F"]))
    def ask_for_the_firm(self, data: st.DataObject, symbol: str) -> None:
        limit, everyone = data.draw(st.integers(1, 30)), naive_over_time.holders(self.world.facts).values()
        rows = sorted(
            (row for row in everyone if row.symbol == symbol), key=lambda row: (-row.quantity, row.account_id)
        )
        self.world.project(LARGE)
        place: dict[str, Any] = {"quantity": Decimal(10) ** 18, "account_id": UUID(int=0)}
        pages: list[Any] = []
        while page := self.world.ask(HOLDERS_OF_SYMBOL, symbol=symbol, limit=limit, **place):
            pages += page
            place = {"quantity": page[-1].quantity, "account_id": page[-1].account_id}
        assert [(row.account_id, row.quantity, row.cost) for row in pages] == [
            (row.account_id, row.quantity, row.cost) for row in rows
        ]
        assert {row.firm_quantity for row in pages} <= {sum(row.quantity for row in rows)}
        open_orders = naive_over_time.open_orders(self.world.facts).values()
        of_symbol = sorted(
            (row for row in open_orders if row.symbol == symbol), key=lambda row: row.placed_position
        )
        assert self.world.ask(OPEN_ORDERS_OF_SYMBOL, symbol=symbol, after=0, limit=10_000) == of_symbol

    @rule(data=st.data(), actor=st.sampled_from([*ACTORS, "nobody"]))
    def ask_for_an_actor(self, data: st.DataObject, actor: str) -> None:
        limit, everything = data.draw(st.integers(1, 50)), naive_over_time.actors(self.world.facts)
        wanted = [
            row for key, row in sorted(everything.items(), key=lambda one: one[0][1:]) if key[0] == actor
        ]
        self.world.project(LARGE)
        first = {"role": "", "account_id": UUID(int=0), "topic": ""}
        assert self.world.ask(DEEDS_OF_ACTOR, actor=actor, limit=limit, **first) == wanted[:limit]

    def look_back(self) -> None:
        if self.accounts:
            self.compare_everything(LARGE)
            for account_id in self.accounts:
                facts = self.world.of([account_id])
                for number in range(1, len(facts), 7):
                    self.check_the_past((account_id, facts[number].log_position, None), facts[: number + 1])
            for question, answer in self.world.answers[self.first_answer :]:
                assert self.world.as_of(*question) == answer
            name = sorted(BY_NAME)[len(self.world.facts) % len(BY_NAME)]
            assert rebuild(self.world.url, BY_NAME[name]).differences == 0
