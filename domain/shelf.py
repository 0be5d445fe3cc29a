"""One symbol's part of the book: its orders in ladders, sorted by the price that would set them off."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from typing import TypeAlias
from uuid import UUID

from domain.matching import WorkingOrder
from domain.quotes import Quote
from domain.values import NO_SHARES, Price

Key: TypeAlias = tuple[Price, int, UUID]
_Entry: TypeAlias = tuple[Price, int, UUID, WorkingOrder]
Ladder: TypeAlias = list[_Entry]  # sorted, the orders that are set off first come first

_price_key = itemgetter(0)
_rank_key = itemgetter(1)


def _reached(ladder: Ladder, price: Price) -> list[_Entry]:
    """A copy of the entries that a price sets off: those whose key is at most `price`."""
    if not ladder or ladder[0][0] > price:
        return []
    return ladder[: bisect_right(ladder, price, key=_price_key)]


class Half:
    """One side of one symbol. Keys are negated where a higher price comes first."""

    __slots__ = ("is_buy", "limits", "markets", "ready", "stops", "taken")

    def __init__(self, *, is_buy: bool) -> None:
        self.is_buy = is_buy
        self.stops: Ladder = []
        self.markets: Ladder = []
        self.limits: Ladder = []
        self.ready = (self.markets, self.limits)
        self.taken = NO_SHARES  # of the quote the shelf has turned to

    def price_of(self, quote: Quote) -> Price | None:
        """The price this side trades at: the far side of the quote."""
        return quote.ask if self.is_buy else quote.bid

    def size_of(self, quote: Quote) -> int:
        """How many shares the quote shows there."""
        return quote.ask_size if self.is_buy else quote.bid_size

    def place_of(self, order: WorkingOrder) -> tuple[Ladder, Price]:
        """The ladder an order belongs on, and its key there."""
        if order.waits_for_stop and order.stop_price is not None:
            return self.stops, order.stop_price if self.is_buy else -order.stop_price
        ladder = self.limits if order.type.has_limit else self.markets
        return ladder, -order.bound if self.is_buy else order.bound

    def stopped_at(self, price: Price | None) -> list[WorkingOrder]:
        """The orders whose stop this price elects, by rank."""
        if price is None:
            return []
        reached = _reached(self.stops, price if self.is_buy else -price)
        return [entry[3] for entry in sorted(reached, key=_rank_key)]

    def ready_at(self, price: Price | None) -> Iterator[WorkingOrder] | None:
        """The orders that may trade at this price, in their priority; None when there are none."""
        if price is None:
            return None
        key = -price if self.is_buy else price
        markets, limits = _reached(self.markets, key), _reached(self.limits, key)
        if not markets and not limits:
            return None
        return (entry[3] for entry in chain(sorted(markets, key=_rank_key), limits))


class Shelf:
    """All orders of one symbol. `fresh` are those that the next quote concerns whatever its price.

    The four prices are the nearest that would set an order off, None where no order waits: so that nearly
    every quote is known to change nothing by four comparisons. They are found anew after the ladders moved.
    `has_moved` says that they did, or that shares were taken of the quote that the shelf has turned to.
    """

    __slots__ = (
        "buy_stop_from",
        "buys",
        "buys_up_to",
        "fresh",
        "halves",
        "has_moved",
        "has_no_stops",
        "sell_stop_to",
        "sells",
        "sells_from",
        "sequence",
    )

    def __init__(self) -> None:
        self.buys, self.sells = Half(is_buy=True), Half(is_buy=False)
        self.halves = (self.buys, self.sells)
        self.fresh: dict[UUID, WorkingOrder] = {}
        self.sequence = -1
        self.has_moved = True
        self.has_no_stops = True
        self.buys_up_to: Price | None = None
        self.sells_from: Price | None = None
        self.buy_stop_from: Price | None = None
        self.sell_stop_to: Price | None = None

    def half(self, is_buy: bool) -> Half:
        """The side of the shelf."""
        return self.buys if is_buy else self.sells

    def turns_to(self, sequence: int) -> bool:
        """Turn to this quote, whole when it is a new one; False when it is older than the last."""
        if sequence > self.sequence:
            self.sequence = sequence
            self.buys.taken = self.sells.taken = NO_SHARES
        return sequence == self.sequence

    def is_quiet_at(self, quote: Quote, by_last: bool) -> bool:
        """Whether this quote neither elects nor fills anything, nor is it the first that an order meets."""
        if self.fresh:
            return False
        if self.has_moved:
            self._find_prices()
        ask, bid, limit = quote.ask, quote.bid, self.buys_up_to
        if ask is not None and limit is not None and ask <= limit:
            return False
        limit = self.sells_from
        if bid is not None and limit is not None and bid >= limit:
            return False
        return self.elects_nothing(quote, by_last)

    def elects_nothing(self, quote: Quote, by_last: bool) -> bool:
        """Whether no stop waits for this quote."""
        for_buys, for_sells = (quote.last, quote.last) if by_last else (quote.ask, quote.bid)
        stop = self.buy_stop_from
        if stop is not None and for_buys is not None and for_buys >= stop:
            return False
        stop = self.sell_stop_to
        return stop is None or for_sells is None or for_sells > stop

    def _find_prices(self) -> None:
        # While shares of its quote are taken, the next quote must come by `turns_to`, which gives them back.
        self.has_moved = bool(self.buys.taken or self.sells.taken)
        self.buys_up_to = max((-ladder[0][0] for ladder in self.buys.ready if ladder), default=None)
        self.sells_from = min((ladder[0][0] for ladder in self.sells.ready if ladder), default=None)
        self.buy_stop_from = self.buys.stops[0][0] if self.buys.stops else None
        self.sell_stop_to = -self.sells.stops[0][0] if self.sells.stops else None
        self.has_no_stops = self.buy_stop_from is None and self.sell_stop_to is None
