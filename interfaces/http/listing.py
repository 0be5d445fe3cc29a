"""Which symbols there are: those that the market has quoted."""

from application.errors import QuotesMustBeKnown
from domain.errors import Refusal
from domain.quotes import Quote
from infrastructure.redis.quotes import QuoteBoard
from interfaces.http.refusals import SymbolMustBeListed


def listed(board: QuoteBoard, symbol: str) -> Quote:
    """The current quote of a symbol. Raises SymbolMustBeListed, or QuotesMustBeKnown while that cannot be told."""
    quote = board.get(symbol)
    if quote is None:
        raise unlisted(board, symbol)
    return quote


def unlisted(board: QuoteBoard, symbol: str) -> Refusal:
    """Why there is no quote of a symbol: a board that does not have all quotes yet may miss just this one."""
    if board.whole:
        return SymbolMustBeListed(f"no quote of {symbol} is known")
    return QuotesMustBeKnown("not all quotes have arrived yet")
