"""A made-up market: seeded geometric Brownian motion, one step of every symbol at a time.

Prices move inside as floats and leave as whole cents: no float ever reaches a Quote. The same
seed gives the same prices; only the times come from the wall.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import exp, sqrt
from random import Random

from domain.quotes import Quote
from infrastructure.market.sources.tickers import first_prices

YEARLY_VOLATILITY = 0.25
TRADING_SECONDS_A_YEAR = 252 * 6.5 * 3600
CENTS_AT_LEAST = 2  # so that a bid of one cent is left
SPREAD_PART = 10_000  # half the spread is one basis point of the price, and a cent at least


def _wall() -> datetime:
    return datetime.now(UTC)


class SimulatedMarket:
    """Quotes of `symbols` symbols, all of them at each step, `interval` seconds of trading apart.

    `first_sequence` is the wall's microseconds at the start unless given, so that a restart never
    repeats one. With `last_prices` (dollars by symbol) prices go on from there.
    """

    name = "simulated"

    def __init__(
        self,
        symbols: int = 20,
        *,
        seed: int = 7,
        interval: float = 1.0,
        last_prices: Mapping[str, Decimal] | None = None,
        first_sequence: int | None = None,
        clock: Callable[[], datetime] = _wall,
    ) -> None:
        self._clock = clock
        self.first_sequence = (
            int(clock().timestamp() * 1_000_000) if first_sequence is None else first_sequence
        )
        self._sequence = self.first_sequence
        # A market that goes on must not repeat the moves it began with, or it drifts with each restart.
        self._random = Random(f"{seed} {self._sequence}" if last_prices else seed)  # noqa: S311 - no secret
        self._step = YEARLY_VOLATILITY * sqrt(interval / TRADING_SECONDS_A_YEAR)
        prices = first_prices(symbols)
        prices.update((symbol, price) for symbol, price in (last_prices or {}).items() if symbol in prices)
        self._symbols = list(prices)
        self._cents = [float(price * 100) for price in prices.values()]
        self._volumes = [0] * len(prices)

    def __iter__(self) -> Iterator[tuple[datetime, list[Quote]]]:
        while True:
            at = self._clock()
            yield at, self.step(at)

    def step(self, at: datetime) -> list[Quote]:
        """Move every symbol once and give its new quote, in the order of the symbols."""
        gauss, step = self._random.gauss, self._step
        self._cents = [max(CENTS_AT_LEAST, cents * exp(gauss(0.0, step))) for cents in self._cents]
        first = self._sequence
        self._sequence += len(self._cents)
        return [self._quote(number, at=at, sequence=first + number) for number in range(len(self._cents))]

    def prices(self) -> dict[str, Decimal]:
        """Each symbol's last price, to go on from."""
        cents = zip(self._symbols, self._cents, strict=True)
        return {symbol: Decimal(round(each)).scaleb(-2) for symbol, each in cents}

    def _quote(self, number: int, *, at: datetime, sequence: int) -> Quote:
        # One random number makes three sizes: this runs 10,000 times a step.
        chance = int(self._random.random() * 1000)
        cents = round(self._cents[number])
        half_spread = max(1, cents // SPREAD_PART)
        self._volumes[number] += 100 * (chance // 100)
        return Quote(
            symbol=self._symbols[number],
            bid=Decimal(cents - half_spread).scaleb(-2),
            ask=Decimal(cents + half_spread).scaleb(-2),
            bid_size=100 + 100 * (chance % 10),
            ask_size=100 + 100 * (chance // 10 % 10),
            last=Decimal(cents).scaleb(-2),
            volume=self._volumes[number],
            at=at,
            sequence=sequence,
        )
