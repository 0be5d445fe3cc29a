"""The terms of an order fit its type."""

import itertools

import pytest

from domain.errors import InputIsWrong, OrderTermsMustFitItsType
from domain.terms import OrderTerms, OrderType, Side, TimeInForce
from tests.domain.examples import D, some_terms

NEEDS = {
    OrderType.MARKET: set(),
    OrderType.LIMIT: {"limit_price"},
    OrderType.STOP: {"stop_price"},
    OrderType.STOP_LIMIT: {"limit_price", "stop_price"},
}
PRICES = [set(), {"limit_price"}, {"stop_price"}, {"limit_price", "stop_price"}]


@pytest.mark.parametrize(("kind", "given_prices"), list(itertools.product(OrderType, PRICES)))
def test_an_order_has_exactly_the_prices_its_type_needs(kind, given_prices):
    wanted = {"symbol": "aapl", "side": Side.BUY, "type": kind, "quantity": D("1.5")}
    wanted |= dict.fromkeys(given_prices, D("10.1"))

    if given_prices == NEEDS[kind]:
        terms = OrderTerms.checked(**wanted)
        assert {name for name in ("limit_price", "stop_price") if getattr(terms, name)} == given_prices
    else:
        with pytest.raises(OrderTermsMustFitItsType, match=f"a {kind} order"):
            OrderTerms.checked(**wanted)


def test_terms_come_out_checked_and_with_their_places():
    wanted = {"symbol": "brk.b", "side": Side.SELL, "type": OrderType.LIMIT}

    terms = OrderTerms.checked(**wanted, quantity=D("1"), limit_price=D("2.5"))

    assert (terms.symbol, str(terms.quantity), str(terms.limit_price)) == ("BRK.B", "1.000000", "2.5000")
    assert terms.time_in_force is TimeInForce.DAY


@pytest.mark.parametrize(
    "wrong", [{"quantity": D("0.0000001")}, {"quantity": D(-1)}, {"limit_price": D("NaN")}, {"symbol": "?"}]
)
def test_wrong_terms_are_refused_as_wrong_input(wrong):
    wanted = {
        "symbol": "AAPL",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": D(1),
        "limit_price": D(1),
    }

    with pytest.raises(InputIsWrong) as caught:
        OrderTerms.checked(**{**wanted, **wrong})

    assert caught.value.code.endswith(("places", "formed"))


def test_a_change_leaves_alone_what_it_does_not_name():
    terms = some_terms(client_order_id="mine", time_in_force="gtc")

    changed = terms.changed(quantity=None, limit_price=D("99.5"), stop_price=None)

    assert changed == some_terms(client_order_id="mine", time_in_force="gtc", limit_price=D("99.5"))


def test_a_change_is_checked_like_new_terms():
    terms = some_terms(type="market", limit_price=None)

    with pytest.raises(OrderTermsMustFitItsType) as caught:
        terms.changed(limit_price=D(5))

    assert caught.value.detail == "a market order has no limit_price"
