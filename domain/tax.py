"""Days and shares as the tax law counts them: short or long term, and the window of a wash sale."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from enum import StrEnum

from domain.values import NO_SHARES, Money, Quantity, rounded

WASH_WINDOW = timedelta(days=30)
"""A loss is disallowed for shares bought so long before or after its sale: 61 days in all (26 U.S.C. 1091(a))."""


class Term(StrEnum):
    """How long sold shares had been owned: at most a year, or longer (26 U.S.C. 1222)."""

    SHORT = "short"
    LONG = "long"


def long_term_from(owned_since: date) -> date:
    """The first day on which a sale is long term: more than one year, counted from the day after the purchase.

    Of shares bought on the last day of a month it is the first day of the thirteenth month (Rev. Rul. 66-7).
    """
    first = owned_since + timedelta(days=1)
    try:
        return first.replace(year=first.year + 1)
    except ValueError:  # the 29th of February: the year is over with the 28th
        return date(first.year + 1, 3, 1)


def term_of(owned_since: date, sold_on: date) -> Term:
    """Whether a sale is short or long term; days are trade dates."""
    return Term.LONG if sold_on >= long_term_from(owned_since) else Term.SHORT


def is_washed(sold_on: date, bought_on: date) -> bool:
    """Whether shares were bought so near to a sale that they replace the shares sold."""
    return abs(sold_on - bought_on) <= WASH_WINDOW


def shares_of(amount: Money, quantities: Sequence[Quantity]) -> Iterator[Money]:
    """An amount spread over quantities, each part to the cent; the last takes what rounding leaves."""
    total, left = sum(quantities, NO_SHARES), amount
    for quantity in quantities[:-1]:
        part = rounded(amount * quantity / total)
        left -= part
        yield part
    yield left
