"""What a reversal takes back, in the words of the read tables: by how much its original moved shares and their cost."""

from decimal import Decimal
from typing import Any

from domain.account import Account
from domain.values import NO_SHARES, NOTHING, Money, Price
from projections.shares import Shares, traded


def shares_of(original: Any) -> Decimal:
    """By how many shares an account's fact moved what it owns."""
    if isinstance(original, Account.PurchaseDebited):
        return original.quantity
    return -original.quantity if isinstance(original, Account.SaleCredited) else NO_SHARES


def without(shares: list[Shares], original: Any) -> tuple[list[Shares], Money]:
    """The shares without those that an account's fact moved, and how much more, or less, they are worth.

    They keep the price of the last trade.
    """
    moved = shares_of(original)
    if not moved:
        return shares, NOTHING
    known: Price | None = next((one.price for one in shares if one.symbol == original.symbol), None)
    price = original.price if known is None else known
    return traded(shares, original.symbol, quantity=-moved, price=price)


def cost_of(original: Any) -> Decimal:
    """By how much a position's fact moved the cost of what is held, in dollars."""
    opened = getattr(original, "lot", None)
    cost: Decimal = -original.cost if opened is None else opened.cost
    return cost


def profit_of(original: Any) -> Decimal:
    """What a position's fact realised, in dollars."""
    profit: Decimal = getattr(original, "profit", NOTHING)
    return profit
