"""Money, prices, quantities and symbols: what they may be, and the one place where rounding happens.

Each is an exact `Decimal` with a fixed number of places, so that the same fact is always written
with the same bytes: money 2 places, prices 4, quantities 6. The functions here are the door: they
refuse NaN, Infinity, too many places and numbers beyond the bounds, and nothing past them checks again.
The bounds keep every quantity x price within the 28 digits of the default decimal context.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TypeAlias

from domain.errors import (
    MoneyMustBeWholeCents,
    PriceMustHaveAtMostFourPlaces,
    QuantityMustHaveAtMostSixPlaces,
    SymbolMustBeWellFormed,
)

Money: TypeAlias = Decimal  # dollars, to the cent
Price: TypeAlias = Decimal  # dollars a share, to a hundredth of a cent
Quantity: TypeAlias = Decimal  # shares, to a millionth

CENT = Decimal("0.01")
TICK = Decimal("0.0001")
MICROSHARE = Decimal("0.000001")

NOTHING: Money = Decimal("0.00")
NO_SHARES: Quantity = Decimal("0.000000")

LARGEST_AMOUNT = Decimal("1000000000000")
LARGEST_PRICE = Decimal("10000000")
LARGEST_QUANTITY = Decimal("1000000000")

_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,9}(?:[.\-/][A-Z0-9]{1,4})?")


def money(amount: Decimal) -> Money:
    """Check an amount of dollars: more than nothing, whole cents, at most 10^12."""
    return _exactly(amount, CENT, LARGEST_AMOUNT, MoneyMustBeWholeCents)


def price(amount: Decimal) -> Price:
    """Check a price in dollars a share: more than nothing, at most 4 places, at most 10^7."""
    return _exactly(amount, TICK, LARGEST_PRICE, PriceMustHaveAtMostFourPlaces)


def quantity(shares: Decimal) -> Quantity:
    """Check a number of shares: more than nothing, at most 6 places, at most 10^9."""
    return _exactly(shares, MICROSHARE, LARGEST_QUANTITY, QuantityMustHaveAtMostSixPlaces)


def symbol(text: str) -> str:
    """Check a ticker such as `AAPL` or `BRK.B`; lower case is raised."""
    raised = text.strip().upper()
    if _SYMBOL.fullmatch(raised) is None:
        raise SymbolMustBeWellFormed(f"{text!r} is not a ticker such as AAPL or BRK.B")
    return raised


def rounded(dollars: Decimal) -> Money:
    """Round to the cent, half to even: a part of a lot's cost. What changes hands is rounded up or down."""
    return dollars.quantize(CENT, ROUND_HALF_EVEN)


def rounded_up(dollars: Decimal) -> Money:
    """Round an exact product up to the cent: what a buy costs, and what must be set aside for it."""
    return dollars.quantize(CENT, ROUND_CEILING)


def rounded_down(dollars: Decimal) -> Money:
    """Round an exact product down to the cent: what a sale brings.

    Part of a cent goes against whoever asked for a trade so small: rounded to nearest, a hundred buys of
    half a cent would be a hundred gifts.
    """
    return dollars.quantize(CENT, ROUND_FLOOR)


def average(notional: Decimal, shares: Quantity) -> Price:
    """The average price of `shares` that cost `notional` in all, to 4 places."""
    return (notional / shares).quantize(TICK, ROUND_HALF_EVEN)


def _exactly(number: Decimal, step: Decimal, largest: Decimal, refusal: type[Exception]) -> Decimal:
    try:
        exact = number.quantize(step)
    except InvalidOperation:
        raise refusal(f"{number} is not a number this can hold") from None
    if exact != number or not 0 < exact <= largest:
        raise refusal(f"{number} must be more than 0, at most {largest} and a multiple of {step}")
    return exact
