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


def traded(
    shares: Sequence[Shares], symbol: str, *, quantity: Quantity, price: Price
) -> tuple[list[Shares], Money]:
    """A new list, by symbol, after a trade of so many more shares, and how much more the shares are worth.

    A share is worth what the account last traded it at; each symbol to the cent.
    """
    at, before = _place(shares, symbol)
    after = Shares(symbol, before.quantity + quantity, before.cost, price)
    return _with(shares, at, after), _worth(after) - _worth(before)


def less(shares: Sequence[Shares], symbol: str, quantity: Quantity) -> tuple[list[Shares], Money]:
    """A new list after so many shares have left at no price, and how much more, or less, the shares are worth."""
    _, before = _place(shares, symbol)
    return traded(shares, symbol, quantity=-quantity, price=before.price)


def split(
    shares: Sequence[Shares], symbol: str, *, before: Quantity, after: Quantity
) -> tuple[list[Shares], Money]:
    """A new list in which the shares of one symbol have become more or fewer, and are worth the same.

    Beside it by how much the worth has changed after all, by rounding.
    """
    at, old = _place(shares, symbol)
    new = Shares(symbol, old.quantity + after - before, old.cost, old.price * before / after)
    return _with(shares, at, new), _worth(new) - _worth(old)


def costing(shares: Sequence[Shares], symbol: str, cost: Money) -> list[Shares]:
    """A new list, by symbol, in which the shares of one have cost so much more."""
    at, before = _place(shares, symbol)
    return _with(shares, at, Shares(symbol, before.quantity, before.cost + cost, before.price))


def _place(shares: Sequence[Shares], symbol: str) -> tuple[int, Shares]:
    """Where in the list a symbol is or belongs, and its shares."""
    for at, one in enumerate(shares):
        if one.symbol >= symbol:
            return at, one if one.symbol == symbol else Shares(symbol, NO_SHARES, NOTHING, NOTHING)
    return len(shares), Shares(symbol, NO_SHARES, NOTHING, NOTHING)


def _with(shares: Sequence[Shares], at: int, one: Shares) -> list[Shares]:
    """With a symbol's shares at their place; left out when there are none and they cost nothing."""
    is_there = at < len(shares) and shares[at].symbol == one.symbol
    kept = [one] if one.quantity or one.cost else []
    return [*shares[:at], *kept, *shares[at + is_there :]]


def _worth(one: Shares) -> Money:
    return rounded(one.quantity * one.price)
