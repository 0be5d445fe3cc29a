"""The book of working orders: which of them a quote elects, fills, ends or lets rest.

Orders are sorted by the price that would set them off, so a quote that sets nothing off looks at the
first of each list only. On one quote, in this order: elections (buys, then sells, by rank), fills of
buys, fills of sells, then what becomes of the orders that met their first quote. Fills go by price
(orders without a limit first, then the better limit), then by rank.

The book applies its own intents at once, so that the next quote sees them; the log follows.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Literal, TypeAlias
from uuid import UUID

from domain.matching import Acceptance, ElectedBy, Election, Ending, Fill, Intent, WorkingOrder
from domain.order import Order
from domain.quotes import Quote, Session
from domain.terms import Side
from domain.values import NO_SHARES, Price, Quantity

_Key: TypeAlias = tuple[Price, int, UUID]
_Entry: TypeAlias = tuple[Price, int, UUID, WorkingOrder]
_Ladder: TypeAlias = list[_Entry]  # sorted, the orders that are set off first come first

_price_key = itemgetter(0)
_rank_key = itemgetter(1)
_by_rank = attrgetter("rank")


def _reached(ladder: _Ladder, price: Price) -> list[_Entry]:
    """A copy of the entries that a price sets off: those whose key is at most `price`."""
    if not ladder or ladder[0][0] > price:
        return []
    return ladder[: bisect_right(ladder, price, key=_price_key)]


class Book:
    """All working orders. `elected_by` says what elects a stop: the last sale, or the quote's far side."""

    def __init__(self, elected_by: Literal["last", "quote"]) -> None:
        self._by_last = elected_by == "last"
        self._orders: dict[UUID, WorkingOrder] = {}
        self._places: dict[UUID, tuple[_Ladder, _Key]] = {}
        self._shelves: dict[str, _Shelf] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, order_id: UUID) -> WorkingOrder | None:
        """The working order, if the book has it."""
        return self._orders.get(order_id)

    def add(self, working: WorkingOrder) -> None:
        """Take in an order; one with the same id makes way."""
        self.remove(working.order_id)
        shelf = self._shelf(working.symbol)
        self._orders[working.order_id] = working
        self._place(working, shelf)
        if working.is_immediate or not working.is_accepted:
            shelf.fresh[working.order_id] = working

    update = add  # an order whose terms have changed takes its new place

    def remove(self, order_id: UUID) -> None:
        """Let go of an order; one that is not here changes nothing."""
        working = self._orders.pop(order_id, None)
        if working is not None:
            self._displace(working)
            self._shelves[working.symbol].fresh.pop(order_id, None)

    def resync(self, order: Order, rank: int) -> None:
        """Take the order as the log has it, after a command for one of its intents was refused.

        What the refused intent took of its quote stays taken.
        """
        self.remove(order.id)
        if order.is_open:
            self.add(WorkingOrder.of(order, rank))

    def restore_consumed(self, symbol: str, quote_sequence: int, side: Side, quantity: Quantity) -> None:
        """Note, after a restart, what orders of this side have taken of a quote already."""
        shelf = self._shelf(symbol)
        if shelf.turns_to(quote_sequence):
            shelf.half(side == Side.BUY).taken += quantity

    def on_quote(self, quote: Quote, session: Session) -> list[Intent]:
        """What a quote does to the orders of its symbol. One that is older than the last does nothing."""
        shelf = self._shelves.get(quote.symbol)
        if shelf is None or not session.is_open or not shelf.turns_to(quote.sequence):
            return []
        if shelf.is_quiet_at(quote, self._by_last):
            return []
        intents: list[Intent] = []
        for half in shelf.halves:
            if half.stops and (stopped := half.stopped_at(self._electing(half, quote)[1])):
                intents += self._elect(stopped, half, quote, session)
        for half in shelf.halves:
            if ready := half.ready_at(half.price_of(quote)):
                intents += self._fill(ready, half, quote, session)
        if shelf.fresh:
            intents += self._settle(sorted(shelf.fresh.values(), key=_by_rank), shelf, session)
        return intents

    def on_new_order(self, order_id: UUID, quote: Quote | None, session: Session) -> list[Intent]:
        """What the current quote does to one order that has just come in: it meets what others left of it."""
        order = self._orders.get(order_id)
        if order is None or quote is None or not session.is_open:
            return []
        shelf = self._shelves[order.symbol]
        if not shelf.turns_to(quote.sequence):
            return []
        half = shelf.half(order.is_buy)
        intents: list[Intent] = []
        if order.is_elected_at(self._electing(half, quote)[1]):
            intents += self._elect([order], half, quote, session)
        price = half.price_of(quote)
        if price is not None and order.may_trade_at(price):
            intents += self._fill([order], half, quote, session)
        return intents + self._settle([order] if order.leaves else [], shelf, session)

    def _elect(
        self, orders: Iterable[WorkingOrder], half: "_Half", quote: Quote, session: Session
    ) -> Iterator[Intent]:
        elected_by, price = self._electing(half, quote)
        assert price is not None, "no price elects nothing"  # noqa: S101  a fault of ours
        for order in orders:
            if order.is_over(session):
                continue
            self._displace(order)
            order.is_triggered = True
            self._place(order, self._shelves[order.symbol])
            if order.is_immediate:
                self._shelves[order.symbol].fresh[order.order_id] = order
            yield Election(order, quote.sequence, elected_by, price)

    def _fill(
        self, orders: Iterable[WorkingOrder], half: "_Half", quote: Quote, session: Session
    ) -> Iterator[Intent]:
        price = half.price_of(quote)
        for order in orders:
            offered = half.size_of(quote) - half.taken
            if offered <= NO_SHARES or price is None:
                return
            quantity = order.takes(offered)
            if quantity and not order.is_over(session):
                half.taken += quantity
                order.leaves -= quantity
                order.is_accepted = True
                if not order.leaves:
                    self.remove(order.order_id)
                yield Fill(order, quantity, price, quote.sequence)

    def _settle(self, orders: Iterable[WorkingOrder], shelf: "_Shelf", session: Session) -> list[Intent]:
        intents: list[Intent] = []
        for order in orders:
            if order.is_over(session):
                continue
            shelf.fresh.pop(order.order_id, None)
            if order.is_immediate:
                self.remove(order.order_id)
                intents.append(Ending(order, order.reason_to_end))
            elif not order.is_accepted:
                order.is_accepted = True
                intents.append(Acceptance(order))
        return intents

    def _electing(self, half: "_Half", quote: Quote) -> tuple[ElectedBy, Price | None]:
        if self._by_last:
            return "last", quote.last
        return ("ask", quote.ask) if half.is_buy else ("bid", quote.bid)

    def _shelf(self, symbol: str) -> "_Shelf":
        shelf = self._shelves.get(symbol)
        if shelf is None:
            shelf = self._shelves[symbol] = _Shelf()
        return shelf

    def _place(self, order: WorkingOrder, shelf: "_Shelf") -> None:
        shelf.has_moved = True
        ladder, price = shelf.half(order.is_buy).place_of(order)
        key = price, order.rank, order.order_id
        insort(ladder, (*key, order))
        self._places[order.order_id] = ladder, key

    def _displace(self, order: WorkingOrder) -> None:
        self._shelves[order.symbol].has_moved = True
        ladder, key = self._places.pop(order.order_id)
        del ladder[bisect_left(ladder, key)]


class _Half:
    """One side of one symbol. Keys are negated where a higher price comes first."""

    __slots__ = ("is_buy", "limits", "markets", "ready", "stops", "taken")

    def __init__(self, *, is_buy: bool) -> None:
        self.is_buy = is_buy
        self.stops: _Ladder = []
        self.markets: _Ladder = []
        self.limits: _Ladder = []
        self.ready = (self.markets, self.limits)
        self.taken = NO_SHARES  # of the quote the shelf has turned to

    def price_of(self, quote: Quote) -> Price | None:
        """The price this side trades at: the far side of the quote."""
        return quote.ask if self.is_buy else quote.bid

    def size_of(self, quote: Quote) -> int:
        """How many shares the quote shows there."""
        return quote.ask_size if self.is_buy else quote.bid_size

    def place_of(self, order: WorkingOrder) -> tuple[_Ladder, Price]:
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


class _Shelf:
    """All orders of one symbol. `fresh` are those that the next quote concerns whatever its price.

    The four prices are the nearest that would set an order off, None where no order waits: so that nearly
    every quote is known to change nothing by four comparisons. They are found anew after the ladders moved.
    """

    __slots__ = (
        "buy_stop_from",
        "buys",
        "buys_up_to",
        "fresh",
        "halves",
        "has_moved",
        "sell_stop_to",
        "sells",
        "sells_from",
        "sequence",
    )

    def __init__(self) -> None:
        self.buys, self.sells = _Half(is_buy=True), _Half(is_buy=False)
        self.halves = (self.buys, self.sells)
        self.fresh: dict[UUID, WorkingOrder] = {}
        self.sequence = -1
        self.has_moved = True
        self.buys_up_to: Price | None = None
        self.sells_from: Price | None = None
        self.buy_stop_from: Price | None = None
        self.sell_stop_to: Price | None = None

    def half(self, is_buy: bool) -> _Half:
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
        return self._elects_nothing(quote.last if by_last else ask, quote.last if by_last else bid)

    def _elects_nothing(self, for_buys: Price | None, for_sells: Price | None) -> bool:
        stop = self.buy_stop_from
        if stop is not None and for_buys is not None and for_buys >= stop:
            return False
        stop = self.sell_stop_to
        return stop is None or for_sells is None or for_sells > stop

    def _find_prices(self) -> None:
        self.has_moved = False
        self.buys_up_to = max((-ladder[0][0] for ladder in self.buys.ready if ladder), default=None)
        self.sells_from = min((ladder[0][0] for ladder in self.sells.ready if ladder), default=None)
        self.buy_stop_from = self.buys.stops[0][0] if self.buys.stops else None
        self.sell_stop_to = -self.sells.stops[0][0] if self.sells.stops else None
