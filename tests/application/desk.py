"""A log in memory with the committer's manners: decide on the current state, store all or nothing."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from application import commands as c
from application.answers import Answer
from application.brokerage import fold
from application.handlers import handle
from application.ledger import Ledger
from application.rules import TradingRules
from domain.aggregate import Aggregate, Event
from domain.errors import Refusal
from domain.facts import name_of
from domain.order import Order
from domain.position import Position, position_id
from tests.domain.examples import COLLAR, NOW

Decide = Callable[[Any, Ledger], Answer]


class Desk:
    """`log` is every fact in order, as the store gives it back; `live` the aggregates as the decisions have left them."""

    def __init__(self, decide: Decide = handle) -> None:
        self.decide = decide
        self.now = NOW
        self.log: list[Event] = []
        self.live: dict[UUID, Aggregate] = {}
        self.read: list[Aggregate] = []

    def send(self, command: c.Command) -> Answer:
        """Decide a command. A refused one leaves nothing behind."""
        ledger = Ledger(self.load, now=self.now, rules=TradingRules(collar=COLLAR))
        try:
            answer = self.decide(command, ledger)
        except Refusal:
            self.abandon(ledger.touched())
            raise
        self.keep(ledger)
        return answer

    def keep(self, ledger: Ledger) -> None:
        """Store what was decided."""
        self.log += [msgspec.json.decode(msgspec.json.encode(e), type=type(e)) for e in ledger.decided()]
        self.read = ledger.touched()
        for aggregate in self.read:
            if aggregate.pending:
                aggregate.pending.clear()
                self.live[aggregate.id] = aggregate

    def abandon(self, touched: list[Aggregate]) -> None:
        """Read again from the log what a refused command changed."""
        for aggregate in touched:
            if aggregate.pending and self.live.pop(aggregate.id, None):
                self.live[aggregate.id] = fold(None, self.history(aggregate.id))

    def load(self, kind: type[Any], aggregate_id: UUID, account_id: UUID) -> Any:
        """The aggregate as of the end of the log, or a blank one."""
        found = self.live.get(aggregate_id) or fold(None, self.history(aggregate_id))
        return found or kind(id=aggregate_id, account_id=account_id)

    def history(self, aggregate_id: UUID) -> list[Event]:
        """The facts of one aggregate."""
        return [event for event in self.log if event.originator_id == aggregate_id]

    def replayed(self) -> dict[UUID, Aggregate]:
        """Every aggregate, folded from the first fact on."""
        found: dict[UUID, Aggregate] = {}
        for event in self.log:
            found[event.originator_id] = fold(found.get(event.originator_id), [event])
        return found

    def position(self, account_id: UUID, symbol: str = "AAPL") -> Position:
        """A position as it is now."""
        return self.load(Position, position_id(account_id, symbol), account_id)

    def order(self, order_id: UUID) -> Order:
        """An order as it is now."""
        return self.load(Order, order_id, order_id)

    def said(self, since: int) -> list[str]:
        """The names of the facts from a length of the log on."""
        return [name_of(type(event)) for event in self.log[since:]]
