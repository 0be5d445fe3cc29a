"""How quotes meet orders: an example for each rule."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from domain.book import Book
from domain.matching import Acceptance, Election, Ending, Fill, WorkingOrder
from domain.quotes import Quote, Session
from domain.terms import OrderType, Side, TimeInForce
from tests.domain.examples import ACCOUNT, FREE, NOW, ORDER, TODAY, D, an_order, stored

OPEN = Session(is_open=True, previous_close=NOW - timedelta(hours=18), closes_at=NOW + timedelta(hours=5))
SHUT = Session(is_open=False, previous_close=NOW - timedelta(hours=18))


def working(number: int, side: str = "buy", **terms) -> WorkingOrder:
    """An accepted market order for 10 AAPL, changed as told; `number` is its id and its rank."""
    usual = {
        "order_id": UUID(int=number),
        "account_id": ACCOUNT,
        "symbol": "AAPL",
        "side": Side(side),
        "type": OrderType.MARKET,
        "time_in_force": TimeInForce.DAY,
        "leaves": D(10),
        "limit_price": None,
        "stop_price": None,
        "price_cap": D(105) if side == "buy" else None,
        "is_triggered": False,
        "is_accepted": True,
        "placed_at": NOW,
        "rank": number,
    }
    return msgspec.convert({**usual, **terms}, WorkingOrder, strict=False)


def limit(number: int, side: str, price, **terms) -> WorkingOrder:
    cap = D(price) if side == "buy" else None
    return working(number, side, type="limit", limit_price=D(price), price_cap=cap, **terms)


def stop(number: int, side: str, price, **terms) -> WorkingOrder:
    return working(number, side, **{"type": "stop", "stop_price": D(price), **terms})


def a_quote(number: int = 1, bid="99", ask="100", size: int = 100, last="99.5", **changes) -> Quote:
    usual = Quote(
        symbol="AAPL",
        bid=D(bid) if bid else None,
        ask=D(ask) if ask else None,
        bid_size=size if bid else 0,
        ask_size=size if ask else 0,
        last=D(last) if last else None,
        volume=0,
        at=NOW,
        sequence=number,
    )
    return msgspec.structs.replace(usual, **changes)


def a_book(*orders: WorkingOrder, elected_by="last") -> Book:
    book = Book(elected_by)
    for order in orders:
        book.add(order)
    return book


def said(intents) -> list[tuple]:
    """Intents as short tuples: what, the order's number, and what matters of it."""
    return [_said(intent) for intent in intents]


def _said(intent) -> tuple:
    number = intent.order.order_id.int
    match intent:
        case Fill():
            return "fill", number, intent.quantity, intent.price
        case Election():
            return "elect", number, intent.elected_by, intent.price
        case Ending():
            return "end", number, intent.reason
        case Acceptance():
            return "accept", number
    raise AssertionError(intent)


def test_a_buy_takes_the_ask_and_a_sell_takes_the_bid():
    book = a_book(working(1, "buy"), working(2, "sell"))

    intents = book.on_quote(a_quote(), OPEN)

    assert said(intents) == [("fill", 1, 10, 100), ("fill", 2, 10, 99)]
    assert len(book) == 0


def test_a_fill_names_its_quote_and_has_the_places_of_a_quantity():
    book = a_book(working(1, leaves=D("500.000000")))

    [fill] = book.on_quote(a_quote(number=77, size=100), OPEN)

    assert (fill.quote_sequence, str(fill.quantity)) == (77, "100.000000")
    assert fill.order is book.get(UUID(int=1))


@pytest.mark.parametrize(
    ("order", "quote", "trades"),
    [
        (limit(1, "buy", 100), a_quote(ask="100"), True),
        (limit(1, "buy", 100), a_quote(ask="100.0001"), False),
        (limit(1, "sell", 99), a_quote(bid="99"), True),
        (limit(1, "sell", 99), a_quote(bid="98.9999"), False),
        (working(1, "buy", price_cap=D(100)), a_quote(ask="100"), True),
        (working(1, "buy", price_cap=D(100)), a_quote(ask="100.0001"), False),
        (stop(1, "buy", 90, is_triggered=True), a_quote(ask="105.0001"), False),
        (working(1, "sell"), a_quote(bid="0.0001"), True),
    ],
)
def test_no_order_trades_worse_than_its_limit_or_cap(order, quote, trades):
    book = a_book(order)

    intents = book.on_quote(quote, OPEN)

    assert [type(intent) for intent in intents] == [Fill] * trades


@pytest.mark.parametrize(
    "quote",
    [a_quote(ask=None), a_quote(ask_size=0), a_quote(symbol="MSFT")],
    ids=["none", "no size", "other"],
)
def test_a_side_that_is_not_there_offers_nothing(quote):
    book = a_book(working(1, "buy"))

    intents = book.on_quote(quote, OPEN)

    assert intents == []
    assert book.get(UUID(int=1)).leaves == 10


def test_a_large_order_fills_in_parts_across_quotes():
    book = a_book(working(1, leaves=D("25.5")))

    filled = [said(book.on_quote(a_quote(number=n, size=10), OPEN)) for n in range(1, 5)]

    assert filled == [[("fill", 1, 10, 100)], [("fill", 1, 10, 100)], [("fill", 1, D("5.5"), 100)], []]


def test_a_quotes_size_is_shared_by_all_orders_and_offered_once():
    book = a_book(working(1, leaves=D(6)), working(2, leaves=D(6)), working(3, leaves=D(6)))

    first = book.on_quote(a_quote(number=1, size=10), OPEN)
    again = book.on_quote(a_quote(number=1, size=10), OPEN)
    older = book.on_quote(a_quote(number=0, size=10), OPEN)

    assert said(first) == [("fill", 1, 6, 100), ("fill", 2, 4, 100)]
    assert again == older == []


def test_better_prices_go_first_then_rank():
    book = a_book(
        limit(1, "buy", 101),
        limit(2, "buy", 102),
        limit(3, "buy", 102),
        working(4, "buy", price_cap=D(100)),
        stop(5, "buy", 95, is_triggered=True),
        limit(6, "sell", 99),
        limit(7, "sell", 98),
        working(8, "sell"),
    )

    intents = book.on_quote(a_quote(), OPEN)

    assert [intent.order.rank for intent in intents] == [4, 5, 2, 3, 1, 8, 7, 6]


@pytest.mark.parametrize(
    ("side", "last", "elects"),
    [
        ("buy", "101", True),
        ("buy", "100.9999", False),
        ("sell", "101", True),
        ("sell", "101.0001", False),
        ("buy", None, False),
    ],
)
def test_the_last_price_elects_a_stop(side, last, elects):
    book = a_book(stop(1, side, 101))

    intents = book.on_quote(a_quote(bid="1", ask="1000", last=last, size=0), OPEN)

    assert said(intents) == [("elect", 1, "last", D(101))] * elects
    assert book.get(UUID(int=1)).is_triggered == elects


@pytest.mark.parametrize(
    ("side", "bid", "ask", "expected"),
    [
        ("buy", "90", "101", [("elect", 1, "ask", D(101))]),
        ("buy", "90", "100.9999", []),
        ("sell", "101", "110", [("elect", 1, "bid", D(101))]),
        ("sell", "101.0001", "110", []),
        ("sell", None, "90", []),
    ],
)
def test_the_far_side_of_the_quote_elects_a_stop_where_told_so(side, bid, ask, expected):
    book = a_book(stop(1, side, 101), elected_by="quote")

    intents = book.on_quote(a_quote(bid=bid, ask=ask, last="101", bid_size=0, ask_size=0), OPEN)

    assert said(intents) == expected


def test_an_elected_stop_may_fill_on_the_very_same_quote():
    book = a_book(stop(1, "buy", 99), stop(2, "sell", 100, type="stop_limit", limit_price=D(98)))

    intents = book.on_quote(a_quote(), OPEN)

    assert said(intents) == [
        ("elect", 1, "last", D("99.5")),
        ("elect", 2, "last", D("99.5")),
        ("fill", 1, 10, 100),
        ("fill", 2, 10, 99),
    ]


def test_an_elected_stop_limit_waits_for_its_limit():
    book = a_book(stop(1, "buy", 99, type="stop_limit", limit_price=D("99.9"), price_cap=D("99.9")))

    first = book.on_quote(a_quote(number=1, ask="100"), OPEN)
    second = book.on_quote(a_quote(number=2, ask="99.9", last="50"), OPEN)

    assert said(first) == [("elect", 1, "last", D("99.5"))]
    assert said(second) == [("fill", 1, 10, D("99.9"))]


@pytest.mark.parametrize(
    ("terms", "size", "expected"),
    [
        ({"time_in_force": "ioc"}, 4, [("fill", 1, 4, 100), ("end", 1, "immediate_or_cancel")]),
        ({"time_in_force": "ioc"}, 0, [("end", 1, "immediate_or_cancel")]),
        ({"time_in_force": "ioc"}, 10, [("fill", 1, 10, 100)]),
        ({"time_in_force": "fok"}, 10, [("fill", 1, 10, 100)]),
        ({"time_in_force": "fok"}, 9, [("end", 1, "fill_or_kill")]),
        ({"time_in_force": "fok", "price_cap": D(99)}, 10, [("end", 1, "fill_or_kill")]),
    ],
)
def test_an_immediate_order_ends_with_the_first_quote_it_meets(terms, size, expected):
    book = a_book(working(1, **terms, is_accepted=False))

    intents = book.on_quote(a_quote(size=size), OPEN)

    assert said(intents) == expected
    assert len(book) == 0


def test_an_immediate_stop_meets_its_quote_when_it_is_elected():
    book = a_book(stop(1, "buy", 101, time_in_force="ioc", is_accepted=False))

    quiet = book.on_quote(a_quote(number=1, last="100"), OPEN)
    elected = book.on_quote(a_quote(number=2, last="101", size=3), OPEN)

    assert said(quiet) == [("accept", 1)]
    assert said(elected) == [
        ("elect", 1, "last", D(101)),
        ("fill", 1, 3, 100),
        ("end", 1, "immediate_or_cancel"),
    ]


def test_a_fill_or_kill_that_cannot_be_filled_leaves_the_size_to_others():
    book = a_book(working(1, time_in_force="fok", leaves=D(11)), working(2))

    intents = book.on_quote(a_quote(size=10), OPEN)

    assert said(intents) == [("fill", 2, 10, 100), ("end", 1, "fill_or_kill")]


@pytest.mark.parametrize("terms", [{}, {"time_in_force": "ioc"}, {"is_accepted": False}])
def test_nothing_happens_while_the_session_is_closed(terms):
    book = a_book(working(1, **terms), stop(2, "buy", 1))

    intents = book.on_quote(a_quote(), SHUT) + book.on_new_order(UUID(int=1), a_quote(), SHUT)

    assert intents == []
    assert book.get(UUID(int=1)).leaves == 10


@pytest.mark.parametrize("order", [working(1), stop(1, "buy", 1), working(1, is_accepted=False)])
def test_a_day_order_of_an_ended_session_never_trades(order):
    order.placed_at = OPEN.previous_close - timedelta(seconds=1)
    book = a_book(order)

    intents = book.on_quote(a_quote(number=1), OPEN) + book.on_new_order(order.order_id, a_quote(2), OPEN)

    assert intents == []
    assert len(book) == 1


def test_an_older_order_that_is_good_till_cancelled_still_trades():
    book = a_book(working(1, time_in_force="gtc", placed_at=OPEN.previous_close - timedelta(days=9)))

    intents = book.on_quote(a_quote(), OPEN)

    assert said(intents) == [("fill", 1, 10, 100)]


def test_a_resting_order_is_accepted_once():
    book = a_book(limit(1, "buy", 50, is_accepted=False))

    intents = [said(book.on_quote(a_quote(number=n), OPEN)) for n in (1, 2)]

    assert intents == [[("accept", 1)], []]


def test_an_order_that_filled_in_part_needs_no_acceptance():
    book = a_book(limit(1, "buy", 100, is_accepted=False))

    intents = [said(book.on_quote(a_quote(number=n, size=n), OPEN)) for n in (4, 5)]

    assert intents == [[("fill", 1, 4, 100)], [("fill", 1, 5, 100)]]


def test_a_new_order_meets_what_others_left_of_the_current_quote():
    book = a_book(working(1, leaves=D(7)))
    book.on_quote(a_quote(size=10), OPEN)
    book.add(working(2, is_accepted=False))

    intents = book.on_new_order(UUID(int=2), a_quote(size=10), OPEN)

    assert said(intents) == [("fill", 2, 3, 100)]
    assert book.get(UUID(int=2)).leaves == 7


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (limit(1, "buy", 50, is_accepted=False), [("accept", 1)]),
        (stop(1, "buy", 98, is_accepted=False), [("elect", 1, "last", D("99.5")), ("fill", 1, 10, 100)]),
        (stop(1, "buy", 101, is_accepted=False), [("accept", 1)]),
        (limit(1, "buy", 50, time_in_force="ioc"), [("end", 1, "immediate_or_cancel")]),
        (working(1, "sell", time_in_force="fok", leaves=D(101)), [("end", 1, "fill_or_kill")]),
    ],
)
def test_a_new_order_is_treated_as_on_any_quote(order, expected):
    book = a_book(order)

    intents = book.on_new_order(UUID(int=1), a_quote(), OPEN)

    assert said(intents) == expected


def test_an_order_without_a_quote_or_without_a_place_in_the_book_waits():
    book = a_book(working(1))

    intents = book.on_new_order(UUID(int=1), None, OPEN) + book.on_new_order(UUID(int=9), a_quote(), OPEN)

    assert intents == []
    assert len(book) == 1


def test_after_a_restart_what_was_taken_of_a_quote_is_not_offered_again():
    book = a_book(working(1), working(2, "sell"))
    book.restore_consumed("AAPL", 5, Side.BUY, D("4"))
    book.restore_consumed("AAPL", 5, Side.BUY, D("5.5"))
    book.restore_consumed("AAPL", 4, Side.SELL, D("10"))

    intents = book.on_quote(a_quote(number=5, size=10), OPEN)
    later = book.on_quote(a_quote(number=6, size=10), OPEN)

    assert said(intents) == [("fill", 1, D("0.5"), 100), ("fill", 2, 10, 99)]
    assert said(later) == [("fill", 1, D("9.5"), 100)]


def test_a_removed_order_does_not_trade():
    book = a_book(working(1, is_accepted=False), stop(2, "sell", 100), limit(3, "buy", 100))

    for number in (1, 2, 3, 3):
        book.remove(UUID(int=number))

    assert book.on_quote(a_quote(), OPEN) == []
    assert (len(book), book.get(UUID(int=1))) == (0, None)


def test_an_updated_order_trades_by_its_new_terms_only():
    book = a_book(limit(1, "buy", 50), limit(2, "buy", 100))

    book.update(limit(1, "buy", 100))
    book.update(limit(2, "buy", 50))

    assert said(book.on_quote(a_quote(), OPEN)) == [("fill", 1, 10, 100)]
    assert len(book) == 1


def test_a_refused_intent_is_undone_from_the_truth():
    order = an_order(side="sell", limit_price=D(99))
    book = a_book(WorkingOrder.of(order, 1))
    [fill] = book.on_quote(a_quote(), OPEN)
    assert (fill.quantity, len(book)) == (10, 0)

    book.resync(order, fill.order.rank)

    assert book.get(ORDER).leaves == 10
    assert said(book.on_quote(a_quote(number=2), OPEN)) == [("fill", ORDER.int, 10, 99)]


def test_an_order_that_has_ended_in_truth_leaves_the_book():
    order = an_order()
    book = a_book(WorkingOrder.of(order, 1))
    order.cancel("requested", at=NOW)

    book.resync(order, 1)

    assert len(book) == 0
    assert book.on_quote(a_quote(), OPEN) == []


def test_a_working_order_is_what_the_order_is():
    order = an_order(type="stop_limit", stop_price=D(95), time_in_force="gtc")
    order.trigger(quote=1, elected_by="last", price=D(96), at=NOW)
    order.execute(
        D("2.5"), D(96), execution_id=ORDER, venue="daybook", quote=1, dates=TODAY, fees=FREE, at=NOW
    )

    found = WorkingOrder.of(stored(order), 17)

    assert found == working(
        ORDER.int,
        type="stop_limit",
        time_in_force="gtc",
        leaves=Decimal("7.5"),
        limit_price=D(100),
        stop_price=D(95),
        price_cap=D(100),
        is_triggered=True,
        rank=17,
    )
