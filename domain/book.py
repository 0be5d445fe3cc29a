"""The book of working orders: which of them a quote elects, fills, ends or lets rest.

Orders are sorted by the price that would set them off, so a quote that sets nothing off looks at the
first of each list only. On one quote, in this order: elections (buys, then sells, by rank), fills of
buys, fills of sells, then what becomes of the orders that met their first quote. Fills go by price
(orders without a limit first, then the better limit), then by rank.

The book applies its own intents at once, so that the next quote sees them; the log follows.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Literal
from uuid import UUID

from domain.matching import Acceptance, ElectedBy, Election, Ending, Fill, Intent, WorkingOrder
from domain.order import Order
from domain.quotes import Quote, Session
from domain.shelf import Half, Key, Ladder, Shelf
from domain.terms import Side
from domain.values import NO_SHARES, Price, Quantity

_by_rank = attrgetter("rank")


class Book:
    """All working orders. `elected_by` says what elects a stop: the last sale, or the quote's far side."""

    def __init__(self, elected_by: Literal["last", "quote"]) -> None:
        self._by_last = elected_by == "last"
        self._orders: dict[UUID, WorkingOrder] = {}
        self._places: dict[UUID, tuple[Ladder, Key]] = {}
        self._shelves: dict[str, Shelf] = {}

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
            shelf.has_moved = True
            shelf.half(side == Side.BUY).taken += quantity

    def on_quotes(self, quotes: Iterable[Quote], session: Session) -> Iterator[list[Intent]]:
        """`on_quote` for many in turn, those that do nothing left out. Take each list up before asking for the next:
        the orders in it change with the quotes that follow.

        Nearly every quote does nothing, so what tells that stands here in one loop, without a call for each.
        """
        if not session.is_open:
            return
        shelf_of, by_last = self._shelves.get, self._by_last
        for quote in quotes:
            shelf = shelf_of(quote.symbol) or self._shelf(quote.symbol)
            is_quiet = (
                not shelf.has_moved
                and not shelf.fresh
                and (shelf.buys_up_to is None or quote.ask is None or quote.ask > shelf.buys_up_to)
                and (shelf.sells_from is None or quote.bid is None or quote.bid < shelf.sells_from)
                and (shelf.has_no_stops or shelf.elects_nothing(quote, by_last))
            )
            if is_quiet and quote.sequence >= shelf.sequence:
                shelf.sequence = quote.sequence
            elif intents := self.on_quote(quote, session):
                yield intents

    def on_quote(self, quote: Quote, session: Session) -> list[Intent]:
        """What a quote does to the orders of its symbol. One that is older than the last does nothing."""
        shelf = self._shelves.get(quote.symbol) or self._shelf(quote.symbol)
        if not session.is_open or not shelf.turns_to(quote.sequence):
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
        self, orders: Iterable[WorkingOrder], half: Half, quote: Quote, session: Session
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
        self, orders: Iterable[WorkingOrder], half: Half, quote: Quote, session: Session
    ) -> Iterator[Intent]:
        price = half.price_of(quote)
        for order in orders:
            offered = half.size_of(quote) - half.taken
            if offered <= NO_SHARES or price is None:
                return
            quantity = order.takes(offered)
            if quantity and not order.is_over(session):
                self._shelves[order.symbol].has_moved = True
                half.taken += quantity
                order.leaves -= quantity
                order.is_accepted = True
                if not order.leaves:
                    self.remove(order.order_id)
                yield Fill(order, quantity, price, quote.sequence)

    def _settle(self, orders: Iterable[WorkingOrder], shelf: Shelf, session: Session) -> list[Intent]:
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

    def _electing(self, half: Half, quote: Quote) -> tuple[ElectedBy, Price | None]:
        if self._by_last:
            return "last", quote.last
        return ("ask", quote.ask) if half.is_buy else ("bid", quote.bid)

    def _shelf(self, symbol: str) -> Shelf:
        shelf = self._shelves.get(symbol)
        if shelf is None:
            shelf = self._shelves[symbol] = Shelf()
        return shelf

    def _place(self, order: WorkingOrder, shelf: Shelf) -> None:
        shelf.has_moved = True
        ladder, price = shelf.half(order.is_buy).place_of(order)
        key = price, order.rank, order.order_id
        insort(ladder, (*key, order))
        self._places[order.order_id] = ladder, key

    def _displace(self, order: WorkingOrder) -> None:
        self._shelves[order.symbol].has_moved = True
        ladder, key = self._places.pop(order.order_id)
        del ladder[bisect_left(ladder, key)]
