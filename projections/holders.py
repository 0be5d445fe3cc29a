"""Who holds how much of a symbol, over all accounts of the firm. Each account has rows of its own; the sum over
them is worked out when it is asked for.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer
from domain.values import NO_SHARES, NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question
from projections.taken_back import cost_of


class Holder(Struct):
    """An account's shares of one symbol, and what they cost in dollars."""

    symbol: str
    account_id: UUID
    quantity: Decimal
    cost: Decimal
    updated_at: datetime
    log_position: int


class Holders(Projection):
    """One row a symbol and account that has shares of it."""

    name = "holders"
    version = 2  # 2: splits
    row = Holder
    key_columns = ("symbol", "account_id")
    indexes = ("(symbol, quantity DESC, account_id)",)
    ignores = (
        *Account.FACTS,
        *Order.FACTS,
        Position.SharesReserved,
        Position.SharesReleased,
        *Transfer.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Any, fact: Fact) -> Key:
        """By symbol and account."""
        return (event.symbol, event.account_id)

    @on(Position.LotOpened)
    def lot_opened(self, event: Position.LotOpened, rows: Rows[Holder]) -> None:
        """Shares came in."""
        key = self.key(event, rows.fact)
        none = Holder(event.symbol, event.account_id, NO_SHARES, NOTHING, event.recorded_at, 0)
        row = rows.get(key) or rows.add(key, none)
        row.quantity += event.lot.quantity
        row.cost += event.lot.cost
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position

    @on(Position.Reversed)
    def reversed(self, event: Position.Reversed, rows: Rows[Holder]) -> None:
        """An execution is taken back: bought shares leave, or sold ones are held again."""
        key, wrong = self.key(event, rows.fact), event.original
        none = Holder(event.symbol, event.account_id, NO_SHARES, NOTHING, event.recorded_at, 0)
        row = rows.get(key) or rows.add(key, none)
        row.quantity += -wrong.lot.quantity if isinstance(wrong, Position.LotOpened) else wrong.quantity
        row.cost -= cost_of(wrong)
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        if not row.quantity:
            rows.remove(key)

    @on(Position.Split)
    def split(self, event: Position.Split, rows: Rows[Holder]) -> None:
        """Shares became more, or fewer; who has none, but orders, is no holder."""
        row = rows.get(self.key(event, rows.fact))
        if row is not None:
            row.quantity = event.after
            row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position

    @on(Position.WashSaleDisallowed)
    def disallowed(self, event: Position.WashSaleDisallowed, rows: Rows[Holder]) -> None:
        """A loss that is not allowed is a cost of the shares held."""
        row = rows[self.key(event, rows.fact)]
        row.cost += event.disallowed
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position

    @on(Position.LotsRelieved, Position.FractionCashed)
    def lots_relieved(
        self, event: Position.LotsRelieved | Position.FractionCashed, rows: Rows[Holder]
    ) -> None:
        """Shares went out; who has none left is no holder."""
        key = self.key(event, rows.fact)
        row = rows[key]
        row.quantity -= event.quantity
        row.cost -= event.cost
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        if not row.quantity:
            rows.remove(key)


class TopHolder(Struct, frozen=True):
    """A holder beside all others: `firm_quantity` is what all accounts of the firm have of the symbol."""

    symbol: str
    account_id: UUID
    quantity: Decimal
    cost: Decimal
    updated_at: datetime
    log_position: int
    firm_quantity: Decimal


HOLDERS_OF_SYMBOL = Question(
    "holders",
    TopHolder,
    "symbol = %(symbol)s AND quantity <= %(quantity)s AND (quantity < %(quantity)s OR account_id > %(account_id)s)"
    " ORDER BY quantity DESC, account_id LIMIT %(limit)s",
    select="symbol, account_id, quantity, cost, updated_at, log_position,"
    " (SELECT sum(quantity) FROM read.holders WHERE symbol = %(symbol)s)",
)
"""The largest first, among equals by account. `quantity` and `account_id` are those of the last row of the page
before, or larger and smaller than any. Who trades between two pages may be met twice or not at all."""
