"""What shares are worth now, and what they were worth when the session began."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

import structlog

from domain.quotes import Quote, Session
from infrastructure.redis.quotes import QuoteBoard

log = structlog.get_logger()

LOOK_EVERY_S = 0.5


def mark(quote: Quote | None) -> Decimal | None:
    """Dollars a share: the last sale, else the middle of bid and ask, else None."""
    if quote is None:
        return None
    if quote.last is not None:
        return quote.last
    if quote.bid is not None and quote.ask is not None:
        return (quote.bid + quote.ask) / 2
    return None


class SessionMarks:
    """The first mark of each symbol that this process saw in the current session.

    A session is told from another by the close before it. A process that was started in the middle of a
    session knows only the first quote it saw, and takes that as the reference.
    """

    def __init__(self, quotes: QuoteBoard, session: Callable[[], Session | None]) -> None:
        self._quotes = quotes
        self._session = session
        self._began: datetime | None = None
        self._first: dict[str, Decimal] = {}

    def first(self, symbol: str) -> Decimal | None:
        """The symbol's reference in this session, None while it has no quote."""
        self._turn_page()
        known = self._first.get(symbol)
        if known is None:
            known = mark(self._quotes.get(symbol))
            if known is not None:
                self._first[symbol] = known
        return known

    def firsts(self) -> Mapping[str, Decimal]:
        """The references that are known in this session: for who asks for many at once."""
        self._turn_page()
        return self._first

    def began(self) -> datetime | None:
        """The close before this session: shares acquired after it were bought in it. None while not known."""
        self._turn_page()
        return self._began

    def look(self) -> None:
        """Note the marks of symbols not seen in this session before."""
        for quote in self._quotes.all():
            self.first(quote.symbol)

    async def follow(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  a bad quote must not end the watch
                log.warning("marks of the session could not be noted", error=repr(error))
            await asyncio.sleep(LOOK_EVERY_S)

    def _turn_page(self) -> None:
        session = self._session()
        began = None if session is None else session.previous_close
        if began != self._began:
            self._began = began
            self._first.clear()
