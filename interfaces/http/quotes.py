"""Current quotes."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from domain.quotes import Quote
from domain.values import symbol as checked_symbol
from interfaces.http.call import Call
from interfaces.http.entrance import LOGGED_IN
from interfaces.http.listing import listed

Symbols = Annotated[
    str | None, QueryParameter(max_length=4000, description="Separated by commas; all if left out")
]


class QuoteList(Struct, frozen=True, kw_only=True):
    """Quotes by symbol, and the symbols asked for that have none."""

    items: list[Quote]
    unknown: list[str]


@get("/quotes", roles=LOGGED_IN)
async def quotes(request: Call, symbols: Symbols = None) -> QuoteList:
    """The current quotes of some symbols, or of all."""
    board = request.parts.quotes
    if symbols is None:
        return QuoteList(items=board.all(), unknown=[])
    wanted = list(dict.fromkeys(checked_symbol(text) for text in symbols.split(",") if text.strip()))
    found = {each: board.get(each) for each in wanted}
    return QuoteList(
        items=[quote for quote in found.values() if quote is not None],
        unknown=[each for each, quote in found.items() if quote is None],
    )


@get("/quotes/{symbol:str}", roles=LOGGED_IN)
async def quote(request: Call, symbol: FromPath[str]) -> Quote:
    """The current quote of a symbol. Refused: `symbol_must_be_listed` (422), `quotes_must_be_known` (503)."""
    return listed(request.parts.quotes, checked_symbol(symbol))


ROUTES = [quotes, quote]
