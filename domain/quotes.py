"""What the market says: a quote for one symbol, a session, and the tick that carries both.

These are values, not events: quotes are never stored in the log. What an order did because of a
quote is stored, with the quote's `sequence` and prices in it.
"""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Quote(Struct, frozen=True, kw_only=True, gc=False):
    """Best bid and offer of one symbol, and its last sale, at one moment of market time.

    Prices are dollars with at most 4 places; sizes and `volume` are whole shares; a side that is
    not there is None with size 0. `sequence` grows over the whole market (all symbols) and is never
    used twice, also after the market role restarts: executions are identified by it.
    """

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    bid_size: int
    ask_size: int
    last: Decimal | None
    volume: int
    at: datetime
    sequence: int


class Session(Struct, frozen=True, kw_only=True):
    """Where the market's clock stands in its calendar.

    `previous_close` is the end of the last session that has ended: a day order placed before it is
    over. `closes_at` is the end of the session that is open, or None while the market is closed.
    """

    is_open: bool
    previous_close: datetime
    closes_at: datetime | None = None


class Tick(Struct, frozen=True, kw_only=True):
    """What the market publishes at once: the quotes that changed, in the order they happened.

    `number` counts ticks without a gap within one run of the market (`run`), so that a listener
    that missed one can tell. One symbol may appear more than once.
    """

    run: str
    number: int
    at: datetime
    session: Session
    quotes: list[Quote]


class ClockReading(Struct, frozen=True, kw_only=True):
    """How to tell the market's time between two ticks: `at` was the market's time when the wall said `wall`.

    From there it runs `speed` times as fast as the wall, but never beyond `until`, the time of the
    next tick. `speed` 0 means the clock stands still between ticks.
    """

    at: datetime
    wall: datetime
    speed: float
    until: datetime
    session: Session
    source: str
    finished: bool = False
