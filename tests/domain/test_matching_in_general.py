"""The sorted book decides exactly what a scan of all orders on every quote would decide."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.book import Book
from domain.matching import Fill, WorkingOrder
from domain.quotes import Quote, Session
from domain.terms import OrderType, Side, TimeInForce
from tests.domain.examples import ACCOUNT, NOW
from tests.domain.test_matching import said

YESTERDAY = NOW - timedelta(days=1)
SYMBOLS = ["AAPL", "AAPL", "AAPL", "MSFT"]


class NaiveBook:
    """The rules once more, in the order of the sentences that state them, with no thought for speed."""

    def __init__(self, elected_by):
        self.elected_by, self.orders, self.newest, self.taken = elected_by, {}, {}, Counter()

    def scan(self, quote, session, only=None):
        if not session.is_open or quote.sequence < self.newest.get(quote.symbol, 0):
            return []
        self.newest[quote.symbol] = quote.sequence
        mine = [o for o in self.orders.values() if o.symbol == quote.symbol and only in (None, o.order_id)]
        alive = [o for o in mine if o.time_in_force != "day" or o.placed_at >= session.previous_close]
        steps = [self.elect(alive, quote, side) for side in ("buy", "sell")]
        steps += [self.fill(alive, quote, side) for side in ("buy", "sell")]
        return [decided for step in [*steps, self.settle(alive)] for decided in step]

    def elect(self, alive, quote, side):
        by = "last" if self.elected_by == "last" else {"buy": "ask", "sell": "bid"}[side]
        price, decided = getattr(quote, by), []
        for o in sorted(alive, key=lambda o: o.rank):
            if o.side == side and self.waits(o) and self.elects(o, price):
                o.is_triggered = True
                decided.append(("elect", o.order_id.int, by, price))
        return decided

    def fill(self, alive, quote, side):
        price, size = (quote.ask, quote.ask_size) if side == "buy" else (quote.bid, quote.bid_size)
        ready, decided = (
            [o for o in alive if o.side == side and not self.waits(o) and self.fair(o, price)],
            [],
        )
        for o in sorted(ready, key=self.priority):
            quantity = min(o.leaves, size - self.taken[quote.sequence, side])
            if quantity > 0 and (o.time_in_force != "fok" or quantity == o.leaves):
                self.taken[quote.sequence, side] += quantity
                o.leaves -= quantity
                o.is_accepted = True
                decided.append(("fill", o.order_id.int, quantity, price))
        return decided

    def settle(self, alive):
        reasons, decided = {"ioc": "immediate_or_cancel", "fok": "fill_or_kill"}, []
        for o in sorted(alive, key=lambda o: o.rank):
            if not o.leaves:
                del self.orders[o.order_id]
            elif o.time_in_force in reasons and not self.waits(o):
                del self.orders[o.order_id]
                decided.append(("end", o.order_id.int, reasons[o.time_in_force]))
            elif not o.is_accepted:
                o.is_accepted = True
                decided.append(("accept", o.order_id.int))
        return decided

    def waits(self, o):
        return "stop" in o.type and not o.is_triggered

    def elects(self, o, price):
        return price is not None and (price >= o.stop_price if o.side == "buy" else price <= o.stop_price)

    def fair(self, o, price):
        limits = [limit for limit in (o.limit_price, o.price_cap) if limit is not None]
        return price is not None and all(price <= p if o.side == "buy" else price >= p for p in limits)

    def priority(self, o):
        if "limit" not in o.type:
            return (0, 0, o.rank)
        return (1, -o.limit_price if o.side == "buy" else o.limit_price, o.rank)


prices = st.integers(97, 103).map(Decimal)
prices_mostly = st.sampled_from([None, *range(97, 104)]).map(lambda n: n and Decimal(n))
sizes = st.integers(1, 24).map(lambda n: Decimal(n) / 4)


@st.composite
def orders(draw, number):
    kind, side = draw(st.sampled_from([OrderType.MARKET, *OrderType])), draw(st.sampled_from(Side))
    limit = draw(prices) if kind.has_limit else None
    return WorkingOrder(
        order_id=UUID(
            int=draw(st.integers(0, 10**9)) * 1000 + number
        ),  # so that ids are not in order of rank
        account_id=ACCOUNT,
        symbol=draw(st.sampled_from(SYMBOLS)),
        side=side,
        type=kind,
        time_in_force=draw(st.sampled_from([*TimeInForce, TimeInForce.GTC, TimeInForce.GTC])),
        leaves=draw(sizes),
        limit_price=limit,
        stop_price=draw(prices) if kind.has_stop else None,
        price_cap=None if side is Side.SELL else limit or draw(prices),
        is_triggered=False,
        is_accepted=draw(st.booleans()),
        placed_at=draw(st.sampled_from([NOW, NOW, NOW, YESTERDAY - timedelta(days=1)])),
        rank=number,
    )


@st.composite
def quotes(draw, number):
    bid, ask = draw(prices_mostly), draw(prices_mostly)
    return Quote(
        symbol=draw(st.sampled_from(SYMBOLS)),
        bid=bid,
        ask=ask,
        bid_size=draw(st.integers(0, 12)) if bid else 0,
        ask_size=draw(st.integers(0, 12)) if ask else 0,
        last=draw(prices_mostly),
        volume=0,
        at=NOW,
        sequence=number + 1,
    )


class Both:
    """The book and the naive book, asked the same; every step answers what each of them decided."""

    def __init__(self, elected_by, draw):
        self.book, self.naive, self.draw = Book(elected_by), NaiveBook(elected_by), draw
        self.placed, self.shown, self.current = [], [], {}

    def session(self):
        return Session(is_open=self.draw(st.integers(0, 9)) > 0, previous_close=YESTERDAY)

    def put(self, order):
        self.book.update(msgspec.structs.replace(order))
        self.naive.orders[order.order_id] = msgspec.structs.replace(order)

    def place(self, number):
        order, session = self.draw(orders(number * 10)), self.session()
        self.placed.append(order.order_id)
        self.put(order)
        quote = self.current.get(order.symbol)
        if quote is None:
            return self.book.on_new_order(order.order_id, None, session), []
        expected = self.naive.scan(quote, session, only=order.order_id)
        return self.book.on_new_order(order.order_id, quote, session), expected

    def load(self, number):
        for position in range(6):
            order = self.draw(orders(number * 10 + position))
            self.placed.append(order.order_id)
            self.put(order)
        return [], []

    def quote(self, number):
        quote, session = self.draw(quotes(number)), self.session()
        self.shown.append(quote)
        self.current[quote.symbol] = quote
        return [each for some in self.book.on_quotes([quote], session) for each in some], self.naive.scan(
            quote, session
        )

    def again(self, number):
        if not self.shown:
            return self.quote(number)
        quote, session = self.draw(st.sampled_from(self.shown)), self.session()
        return [each for some in self.book.on_quotes([quote], session) for each in some], self.naive.scan(
            quote, session
        )

    def remove(self, number):
        if self.placed:
            chosen = self.draw(st.sampled_from(self.placed))
            self.book.remove(chosen)
            self.naive.orders.pop(chosen, None)
        return [], []

    def change(self, number):
        if not self.naive.orders:
            return [], []
        working = self.naive.orders[self.draw(st.sampled_from(sorted(self.naive.orders)))]
        changes = {"leaves": self.draw(sizes)}
        if working.limit_price is not None:
            changes["limit_price"] = self.draw(prices)
            changes["price_cap"] = changes["limit_price"] if working.side is Side.BUY else None
        if working.waits_for_stop:
            changes["stop_price"] = self.draw(prices)
        self.put(msgspec.structs.replace(working, **changes))
        return [], []


steps = ["quote"] * 5 + ["place"] * 3 + ["load"] * 3 + ["again", "remove", "change"]


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.sampled_from(steps), min_size=5, max_size=25), st.data(), st.sampled_from(["last", "quote"])
)
def test_the_sorted_book_decides_what_a_scan_of_all_orders_decides(steps, data, elected_by):
    both, filled = Both(elected_by, data.draw), Counter()

    for number, step in enumerate(steps):
        intents, expected = getattr(both, step)(number)

        assert said(intents) == expected
        assert {o: both.book.get(o) for o in both.naive.orders} == both.naive.orders
        assert len(both.book) == len(both.naive.orders)
        check_fills(intents, filled)

    offered = {(q.sequence, "buy"): q.ask_size for q in both.shown}
    offered |= {(q.sequence, "sell"): q.bid_size for q in both.shown}
    assert all(quantity <= offered[side] for side, quantity in filled.items())


def check_fills(intents, filled):
    """No fill is worse than its order allows; count what each side of each quote has given."""
    for fill in intents:
        if isinstance(fill, Fill):
            order = fill.order
            assert fill.quantity > 0
            assert not order.waits_for_stop
            if order.side is Side.BUY:
                assert fill.price <= order.price_cap
            else:
                assert order.limit_price is None or fill.price >= order.limit_price
            filled[fill.quote_sequence, order.side.value] += fill.quantity
