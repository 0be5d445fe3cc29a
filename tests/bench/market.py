"""Publishes quotes as the market role does."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import msgspec

from domain.quotes import ClockReading, Quote, Session, Tick
from infrastructure.redis.quotes import QuotePublisher

OPEN = Session(is_open=True, previous_close=datetime.now(UTC) - timedelta(hours=8))


class Market:
    """One run of a market: ticks without a gap, quotes with growing sequences."""

    def __init__(self, redis_url: str) -> None:
        self._publisher = QuotePublisher(redis_url)
        self.run = uuid4().hex
        self.number = 0
        self.sequence = 0

    def close(self) -> None:
        """Let go of the connection."""
        self._publisher.close()

    def publish(self, asks: dict[str, Decimal]) -> Tick:
        """One tick with these offers."""
        tick = self.tick(asks)
        self._publisher.publish(tick, self.reading(tick))
        return tick

    def tick(self, asks: dict[str, Decimal]) -> Tick:
        """The next tick, not published yet."""
        self.number += 1
        quotes = [self._quote(symbol, ask) for symbol, ask in asks.items()]
        return Tick(run=self.run, number=self.number, at=datetime.now(UTC), session=OPEN, quotes=quotes)

    def reading(self, tick: Tick) -> ClockReading:
        """The clock at a tick."""
        now = datetime.now(UTC)
        return ClockReading(at=tick.at, wall=now, speed=1.0, until=tick.at, session=OPEN, source="bench")

    def payload(self, tick: Tick) -> bytes:
        """A tick as it goes over the channel."""
        return msgspec.json.encode(tick)

    def _quote(self, symbol: str, ask: Decimal) -> Quote:
        self.sequence += 1
        return Quote(
            symbol=symbol,
            bid=ask - Decimal("0.02"),
            ask=ask,
            bid_size=100_000,
            ask_size=100_000,
            last=ask - Decimal("0.01"),
            volume=1_000_000,
            at=datetime.now(UTC),
            sequence=self.sequence,
        )


def quote_all(redis_url: str, symbols: list[str], ask: str = "100.00") -> None:
    """One tick that names every symbol, so that the API lists them."""
    market = Market(redis_url)
    market.publish(dict.fromkeys(symbols, Decimal(ask)))
    market.close()
