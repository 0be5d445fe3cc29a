"""What the tables of an account's worth over time do alike: its shares, what they cost, and what they are worth.

Both keep one row of where the account stands (`LATEST`), with the shares in it; `history` and `statements` add to it
what moved in a minute or on a day.
"""

from decimal import Decimal
from typing import Any, Protocol

from domain.account import Account
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer
from domain.values import NOTHING, Money, Price, Quantity
from projections import shares
from projections.shares import Shares
from projections.taken_back import cost_of, profit_of, without

UNMOVED = (
    Account.Settled,
    Account.GoodFaithViolated,
    Account.WithdrawalHeld,
    Account.WithdrawalReleased,
    Account.LotMethodChosen,
    Account.FundsHeld,
    Account.FundsReleased,
    Account.Suspended,
    Account.Reinstated,
    Account.Closed,
    *Order.FACTS,
    Position.SharesReserved,
    Position.SharesReleased,
    *Transfer.FACTS,
    Position.Split,
    Account.DividendEntitled,
    *CorporateAction.FACTS,
    *InterestPeriod.FACTS,
    *Erasure.FACTS,
    *Case.FACTS,
)
"""What moves neither an account's cash nor its shares, or is told by another fact beside it."""


class Worth(Protocol):
    """A row of where an account stands: `invested` is what the `positions` are worth, `cost` what they have cost."""

    cost: Decimal
    invested: Decimal
    realised: Decimal
    positions: list[Shares]


def trade(row: Worth, symbol: str, quantity: Quantity, price: Price) -> None:
    """So many more shares, or fewer, which are worth what they were traded at."""
    row.positions, change = shares.traded(row.positions, symbol, quantity=quantity, price=price)
    row.invested += change


def split(row: Worth, event: Account.SharesSplit) -> None:
    """Shares become more, or fewer, and are worth the same."""
    row.positions, change = shares.split(row.positions, event.symbol, before=event.before, after=event.after)
    row.invested += change


def lose_fraction(row: Worth, event: Account.CashInLieuPaid) -> None:
    """The fraction of a share that became cash leaves."""
    row.positions, change = shares.less(row.positions, event.symbol, event.quantity)
    row.invested += change


def take_back_trade(row: Worth, wrong: Any) -> None:
    """The shares that an account's fact had moved move back, if it had."""
    row.positions, change = without(row.positions, wrong)
    row.invested += change


def cost(row: Worth, symbol: str, amount: Money, *, realised: Money = NOTHING) -> None:
    """Shares have cost so much more, or less, and so much was realised with it."""
    row.cost += amount
    row.realised += realised
    row.positions = shares.costing(row.positions, symbol, amount)


def take_back_cost(row: Worth, wrong: Any) -> None:
    """What a position's fact had made the shares cost, and realised, is taken back."""
    cost(row, wrong.symbol, -cost_of(wrong), realised=-profit_of(wrong))
