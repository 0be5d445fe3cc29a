"""The current quotes: written by the market, held in memory by everyone who reads them."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import msgspec
from msgspec import Struct
from redis.exceptions import RedisError

from domain.quotes import ClockReading, Quote, Tick
from infrastructure.redis import connect, connect_async
from infrastructure.redis.channels import QUOTE_UPDATES, AsyncSubscription

SYMBOLS = "quote:symbols"
CLOCK = "market:clock"
LAST_TICK = "market:tick"
WHOLE = "quote:whole"  # there while Redis has every quote that the market has said
PROGRESS = "executor:progress"
QUOTE = "quote:"

READ_AT_ONCE = 1000  # hashes a round trip
LOOK_AGAIN = 1.0  # seconds between two attempts to load, and between two looks at the subscription


class TickNumber(Struct, frozen=True):
    """Which tick: the market's run, and the tick's number in it."""

    run: str
    number: int


_read_tick = msgspec.json.Decoder(Tick)
_read_clock = msgspec.json.Decoder(ClockReading)
_read_number = msgspec.json.Decoder(TickNumber)
_json = msgspec.json.Encoder()
_SAY_WHOLE = ("SET", WHOLE, "1")


def decode_tick(payload: bytes) -> Tick:
    """A tick as it came over the channel `quote_updates`. Raises msgspec.DecodeError."""
    return _read_tick.decode(payload)


class QuotePublisher:
    """Writes ticks to Redis. Raises redis.exceptions.RedisError while Redis is away."""

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._clock = b""

    def publish(self, tick: Tick, reading: ClockReading, *, before: Iterable[Quote] | None = None) -> None:
        """Store the tick's quotes and the clock, and tell everyone: one round trip.

        `before` are all quotes that were published before the tick, for a Redis that may have lost them;
        the first tick has none.
        """
        number = _json.encode(TickNumber(tick.run, tick.number))
        self._send(
            tick.quotes if before is None else [*before, *tick.quotes],
            reading,
            *([_SAY_WHOLE] if before is not None or not self._clock else []),
            ("SET", LAST_TICK, number),
            ("PUBLISH", QUOTE_UPDATES, _json.encode(tick)),
        )

    def refresh(self, quotes: Iterable[Quote], reading: ClockReading) -> None:
        """Store all quotes and the clock again without telling anyone: for a Redis that lost them."""
        self._send(quotes, reading, _SAY_WHOLE)

    def forget(self) -> None:
        """Remove all quotes: those of another source must not be mistaken for this one's."""
        symbols = cast("set[bytes]", self._client.smembers(SYMBOLS))
        self._client.delete(WHOLE, SYMBOLS, LAST_TICK, *(QUOTE + symbol.decode() for symbol in symbols))

    def holds_what_was_published(self) -> bool:
        """Whether Redis still has all quotes and the clock that was stored last; if not, it has lost its memory."""
        return bool(self._clock) and self._client.mget(CLOCK, WHOLE) == [self._clock, b"1"]

    def executor_progress(self) -> TickNumber | None:
        """The last tick that the executor has worked off, or None when no executor is running."""
        found = cast("bytes | None", self._client.get(PROGRESS))
        return None if found is None else _read_number.decode(found)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _send(
        self, quotes: Iterable[Quote], reading: ClockReading, *commands: tuple[str | bytes, ...]
    ) -> None:
        current = {quote.symbol: quote for quote in quotes}
        clock = _json.encode(reading)
        pipeline: Any = self._client.pipeline(transaction=False)
        for symbol, quote in current.items():
            pipeline.execute_command("HSET", QUOTE + symbol, *_as_hash(quote))
        if current:
            pipeline.execute_command("SADD", SYMBOLS, *current)
        pipeline.execute_command("SET", CLOCK, clock)
        for command in commands:
            pipeline.execute_command(*command)
        pipeline.execute()
        self._clock = clock


class QuoteBoard:
    """The current quote of each symbol, in memory.

    `load` reads them all; then `apply` each tick. Subscribe before loading, so that nothing falls
    between the two. Where a tick is missing, `apply` says so and the reader loads again.

    `whole` is False until every quote that the market has said is here: before the first load, and after
    one from a Redis that had lost some. A symbol that a whole board does not have is not listed.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._quotes: dict[str, Quote] = {}
        self._at: TickNumber | None = None
        self.whole = False
        self.last_tick_at: datetime | None = None  # market time; None while nothing was ever published

    def get(self, symbol: str) -> Quote | None:
        """The current quote of a symbol, in upper case, or None when there is none."""
        return self._quotes.get(symbol)

    def all(self) -> list[Quote]:
        """All current quotes, by symbol."""
        return [self._quotes[symbol] for symbol in sorted(self._quotes)]

    def apply(self, tick: Tick) -> bool:
        """Take over a tick. False when one before it was missed, or the market started anew: load again."""
        known = self._at
        if known is not None and known.run == tick.run and tick.number <= known.number:
            return True
        quotes = self._quotes
        for quote in tick.quotes:
            quotes[quote.symbol] = quote
        self._at = TickNumber(tick.run, tick.number)
        self.last_tick_at = tick.at
        return known is not None and known.run == tick.run and tick.number == known.number + 1

    def load(self) -> None:
        """Read all quotes from Redis. Raises redis.exceptions.RedisError."""
        client = connect(self._redis_url)
        try:
            # These first: the hashes are then at least as new, and ticks after it are applied again.
            keys = cast("list[bytes | None]", client.mget(LAST_TICK, CLOCK, WHOLE))
            symbols = sorted(cast("set[bytes]", client.smembers(SYMBOLS)))
            quotes: list[Quote] = []
            for some in _portions(symbols):
                pipeline = client.pipeline(transaction=False)
                for symbol in some:
                    pipeline.hgetall(QUOTE + symbol.decode())
                quotes += _from_hashes(pipeline.execute())
        finally:
            client.close()
        self._replace(*keys, quotes=quotes)

    async def load_async(self) -> None:
        """`load` for asyncio."""
        client: Any = connect_async(self._redis_url)
        try:
            keys: list[bytes | None] = await client.mget(LAST_TICK, CLOCK, WHOLE)
            symbols = sorted(await client.smembers(SYMBOLS))
            quotes: list[Quote] = []
            for some in _portions(symbols):
                pipeline = client.pipeline(transaction=False)
                for symbol in some:
                    pipeline.hgetall(QUOTE + symbol.decode())
                quotes += _from_hashes(await pipeline.execute())
        finally:
            await client.aclose()
        self._replace(*keys, quotes=quotes)

    async def follow(self, on_tick: Callable[[Tick], object] | None = None) -> None:
        """Load, then keep up with the market until cancelled. `on_tick` is called after each tick is in."""
        subscription = AsyncSubscription(self._redis_url, [QUOTE_UPDATES])
        try:
            await subscription.start()
            while True:
                reconnects = subscription.reconnects
                await self._load_patiently()
                loaded_at = time.monotonic()
                complete = True
                while complete and subscription.reconnects == reconnects and not self._is_due(loaded_at):
                    message = await subscription.get(timeout=LOOK_AGAIN)
                    if message is not None:
                        tick = decode_tick(message[1])
                        complete = self.apply(tick)
                        if on_tick is not None:
                            on_tick(tick)
        finally:
            await subscription.close()

    def _is_due(self, loaded_at: float) -> bool:
        """Whether to look again if Redis has all quotes by now: the market stores them without telling."""
        return not self.whole and time.monotonic() - loaded_at >= LOOK_AGAIN

    async def _load_patiently(self) -> None:
        while True:
            try:
                return await self.load_async()
            except (RedisError, OSError):
                await asyncio.sleep(LOOK_AGAIN)

    def _replace(
        self, number: bytes | None, clock: bytes | None, whole: bytes | None, *, quotes: list[Quote]
    ) -> None:
        # An empty Redis has forgotten, not closed the market: what is known stays until new quotes come.
        if number is None or clock is None:
            return
        self.whole = whole is not None
        known = {} if self.whole else self._quotes
        self._quotes = known | {quote.symbol: quote for quote in quotes}
        self._at = _read_number.decode(number)
        self.last_tick_at = _read_clock.decode(clock).at


def _portions(symbols: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(symbols), READ_AT_ONCE):
        yield symbols[start : start + READ_AT_ONCE]


def _as_hash(quote: Quote) -> list[str]:
    return [
        "symbol", quote.symbol,
        "bid", "" if quote.bid is None else str(quote.bid),
        "ask", "" if quote.ask is None else str(quote.ask),
        "bid_size", str(quote.bid_size),
        "ask_size", str(quote.ask_size),
        "last", "" if quote.last is None else str(quote.last),
        "volume", str(quote.volume),
        "at", quote.at.isoformat(),
        "sequence", str(quote.sequence),
    ]  # fmt: skip


def _from_hashes(hashes: Iterable[dict[bytes, bytes]]) -> list[Quote]:
    return [
        _from_hash({name.decode(): text.decode() for name, text in each.items()}) for each in hashes if each
    ]


def _from_hash(fields: dict[str, str]) -> Quote:
    return Quote(
        symbol=fields["symbol"],
        bid=Decimal(fields["bid"]) if fields["bid"] else None,
        ask=Decimal(fields["ask"]) if fields["ask"] else None,
        bid_size=int(fields["bid_size"]),
        ask_size=int(fields["ask_size"]),
        last=Decimal(fields["last"]) if fields["last"] else None,
        volume=int(fields["volume"]),
        at=datetime.fromisoformat(fields["at"]),
        sequence=int(fields["sequence"]),
    )
