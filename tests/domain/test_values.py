"""Values check themselves at the door, and money is rounded in one place."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import values
from domain.errors import (
    MoneyMustBeWholeCents,
    PriceMustHaveAtMostFourPlaces,
    QuantityMustHaveAtMostSixPlaces,
    Refusal,
    SymbolMustBeWellFormed,
)

DOORS = {
    values.money: (MoneyMustBeWholeCents, values.CENT, values.LARGEST_AMOUNT),
    values.price: (PriceMustHaveAtMostFourPlaces, values.TICK, values.LARGEST_PRICE),
    values.quantity: (QuantityMustHaveAtMostSixPlaces, values.MICROSHARE, values.LARGEST_QUANTITY),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "rubbish", ["NaN", "sNaN", "Infinity", "-Infinity", "1e30", "1e-30", "0", "-0", "-1"]
)
def test_what_is_no_positive_number_is_refused(door, rubbish):
    refusal = DOORS[door][0]

    with pytest.raises(refusal) as caught:
        door(Decimal(rubbish))

    assert isinstance(caught.value, Refusal)


@pytest.mark.parametrize("door", DOORS)
def test_one_place_more_than_allowed_is_refused(door):
    refusal, step, _ = DOORS[door]

    with pytest.raises(refusal) as caught:
        door(1 + step / 10)

    assert str(step) in caught.value.detail


@pytest.mark.parametrize("door", DOORS)
def test_the_bounds_belong_to_what_is_allowed(door):
    refusal, step, largest = DOORS[door]

    assert (door(step), door(largest)) == (step, largest)
    with pytest.raises(refusal):
        door(largest + step)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("written", ["1", "1.0", "1.00", "1e0", "1.000000000"])
def test_the_same_number_always_comes_out_with_the_same_places(door, written):
    step = DOORS[door][1]

    number = door(Decimal(written))

    assert str(number) == str(Decimal(1).quantize(step))


@pytest.mark.parametrize("text", ["AAPL", "aapl", " BRK.B ", "BRK/B", "BF-B", "A", "ABCDEFGHIJ"])
def test_a_ticker_is_raised_and_trimmed(text):
    assert values.symbol(text) == text.strip().upper()


@pytest.mark.parametrize(
    "text", ["", " ", "1A", "A B", "AAPL\n;", "ABCDEFGHIJK", "A.", "A.BCDEF", "Ä", "A..B"]
)
def test_what_is_no_ticker_is_refused(text):
    with pytest.raises(SymbolMustBeWellFormed) as caught:
        values.symbol(text)

    assert repr(text) in caught.value.detail


@pytest.mark.parametrize(
    ("exact", "nearest", "up"),
    [
        ("0.005", "0.00", "0.01"),
        ("0.015", "0.02", "0.02"),
        ("0.025", "0.02", "0.03"),
        ("0.0051", "0.01", "0.01"),
        ("1.00", "1.00", "1.00"),
        ("1.0000000001", "1.00", "1.01"),
    ],
)
def test_money_is_rounded_half_to_even_and_cover_is_rounded_up(exact, nearest, up):
    number = Decimal(exact)

    assert str(values.rounded(number)) == nearest
    assert str(values.rounded_up(number)) == up


prices = st.decimals("0.0001", values.LARGEST_PRICE, places=4)
quantities = st.decimals("0.000001", values.LARGEST_QUANTITY, places=6)


@settings(max_examples=200, deadline=None)
@given(prices, quantities)
def test_no_product_of_a_price_and_a_quantity_loses_a_digit(price, quantity):
    numerator = int(price * 10**4) * int(quantity * 10**6)

    notional = price * quantity

    assert int(notional.scaleb(10)) == numerator
    assert abs(values.rounded(notional) - notional) <= Decimal("0.005")
    assert 0 <= values.rounded_up(notional) - notional < values.CENT


def test_the_average_price_has_four_places():
    assert str(values.average(Decimal(10), Decimal(3))) == "3.3333"
