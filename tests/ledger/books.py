"""The three books, kept by adding up postings, and what must hold of them after every command."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain import chart, journal
from domain.account import Account
from domain.aggregate import Event
from domain.journal import imbalance, postings
from domain.position import Position
from domain.values import NOTHING
from projections.projection import Fact


class Found(Struct):
    """Keys of balances that fit a question, and how many were looked at: keys are only ever added."""

    keys: list[tuple[str, str]] = []
    looked_at: int = 0


class Books:
    """Balances by ledger account and commodity. Adding a fact checks that it balances by itself."""

    def __init__(self) -> None:
        self.balances: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.costs: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._found: defaultdict[tuple[Any, ...], Found] = defaultdict(Found)

    def add(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            lines = postings(fact.event)
            assert not imbalance(lines), (fact, lines)
            for line in lines:
                self.balances[line.account, line.commodity] += line.amount
                self.costs[line.account, line.commodity] += line.cost or 0

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Books":
        """The books after these events."""
        books = cls()
        books.add(Fact(0, "", event, b"") for event in events)
        return books

    def usd(self, account: str) -> Decimal:
        return self.balances[account, journal.USD]

    def sum_of(self, *parts: str, commodity: str | None = None) -> Decimal:
        """Of all accounts whose name has each of these parts."""
        found = self._found[parts, commodity]
        for name, unit in islice(self.balances, found.looked_at, None):
            found.looked_at += 1
            if all(part in name for part in parts) and commodity in (None, unit):
                found.keys.append((name, unit))
        return sum((self.balances[key] for key in found.keys), Decimal(0))

    def require_the_firm_to_be_sound(self, symbols: Iterable[str], accounts: Iterable[Account]) -> None:
        """Stock record by symbol, and customers' money: all there, and none of the firm's among it.

        What is withheld is among it until it is paid on. What the regulators get of sales is owed since the trade date and comes in with their settlement.
        """
        for symbol in symbols:
            assert not self.sum_of(":SR:", commodity=chart.stock(symbol)), symbol
        customers = self.sum_of(":FreeCredit") + self.sum_of(":RegFees:") + self.usd(chart.TAX_WITHHELD)
        to_come = sum((due.fees for account in accounts for due in account.unsettled.values()), NOTHING)
        assert self.usd(chart.CUSTOMERS_BANK) + customers == -to_come

    def require_account(self, account: Account, positions: Iterable[Position]) -> None:
        """Our mirror of the customer, the customer's cash, and the shares, as the aggregates have them."""
        who = account.id
        claims = f":Cust:C{who}:"
        own = sum(
            self.sum_of(claims + part, commodity=journal.USD) for part in ("Cash:", "Unsettled:", "Owed")
        )
        firms = self.sum_of(f":Firm:Cust:C{who}:")
        assert own + firms == 0
        assert self.usd(chart.held_for_orders(who)) == account.held
        assert self.usd(chart.receivable(who)) == account.unsettled_proceeds
        assert self.usd(chart.free(who)) == account.available - account.unsettled_proceeds
        assert self.usd(chart.held_for_withdrawal(who)) == account.withdrawing
        assert self.usd(chart.debt(who)) == -account.owed
        for position in positions:
            self._require_shares(who, position)

    def _require_shares(self, who: UUID, position: Any) -> None:
        symbol = position.symbol
        at_cost = (chart.shares_at_cost(who, symbol), symbol)
        unit = chart.stock(symbol)
        assert self.balances[at_cost] == position.quantity
        assert self.costs[at_cost] == position.cost
        assert -self.balances[chart.owned_held(who, symbol), unit] == position.reserved
        assert -self.balances[chart.owned_free(who, symbol), unit] == position.free
