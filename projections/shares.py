"""Shares of an account as its own trades tell of them: so many, at such a cost, last traded at such a price.

The log knows no quotes. What it knows of a price is what the account itself last paid or received, so the
read tables that value shares over time value them at that.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from domain.values import NO_SHARES, NOTHING, Money, Price, Quantity, rounded

LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""The moment under which a table of moments keeps where an account stands: after all others."""


class Shares(Struct, frozen=True):
    """Shares of one symbol. `cost` in dollars for all of them, `price` a share in the account's last trade."""

    symbol: str
    quantity: Decimal
    cost: Decimal
    price: Decimal


def changed(
    shares: Sequence[Shares],
    symbol: str,
    *,
    quantity: Quantity = NO_SHARES,
    cost: Money = NOTHING,
    price: Price | None = None,
) -> list[Shares]:
    """A new list in which one symbol has so much more quantity and cost; without both it is left out."""
    before = next(
        (one for one in shares if one.symbol == symbol), Shares(symbol, NO_SHARES, NOTHING, NOTHING)
    )
    after = Shares(
        symbol, before.quantity + quantity, before.cost + cost, before.price if price is None else price
    )
    others = [one for one in shares if one.symbol != symbol]
    if not after.quantity and not after.cost:
        return others
    return sorted([*others, after], key=lambda one: one.symbol)


def split(shares: Sequence[Shares], symbol: str, *, before: Quantity, after: Quantity) -> list[Shares]:
    """A new list in which the shares of one symbol have become more or fewer, and are worth the same."""
    return [
        Shares(one.symbol, one.quantity + after - before, one.cost, one.price * before / after)
        if one.symbol == symbol
        else one
        for one in shares
    ]


def invested(shares: Sequence[Shares]) -> Money:
    """What the shares are worth at the prices the account last traded them at, each symbol to the cent."""
    return sum((rounded(one.quantity * one.price) for one in shares), NOTHING)
