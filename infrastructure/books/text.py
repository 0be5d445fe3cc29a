"""What both text formats have in common: numbers with fixed places, words that cannot break a line."""

from decimal import Decimal

from domain.journal import USD


def fixed(amount: Decimal, commodity: str) -> str:
    """Dollars with 2 places, shares with 6: the tools take the places for the exactness that is meant.

    An amount with more places is written as it is, never rounded.
    """
    places = 2 if commodity == USD else 6
    text = f"{amount:.{places}f}"
    return text if Decimal(text) == amount else f"{amount:f}"


def plain(words: str) -> str:
    """Words without what ends a string, a comment or a line in one of the formats."""
    return " ".join(words.replace('"', "'").replace("\\", "/").replace(";", ",").replace("|", "/").split())
