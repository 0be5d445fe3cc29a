"""Short and long term, and the days of a wash sale, at their edges."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.tax import Term, is_washed, long_term_from, shares_of, term_of
from tests.domain.examples import D


@pytest.mark.parametrize(
    ("bought", "first"),
    [
        (
            "2025-02-05",
            "2026-02-06",
        ),  # Pub. 550: bought 5 February, long term from 6 February of the next year
        (
            "2024-01-31",
            "2025-02-01",
        ),  # the last day of a month: the first day of the thirteenth (Rev. Rul. 66-7)
        ("2023-02-28", "2024-03-01"),  # also when the year between ends with a 29th of February
        ("2024-02-28", "2025-03-01"),
        ("2024-02-29", "2025-03-01"),
        ("2023-03-01", "2024-03-02"),
        ("2023-12-31", "2025-01-01"),
    ],
)
def test_long_term_is_more_than_a_year_counted_from_the_day_after(bought, first):
    owned_since, first_day = date.fromisoformat(bought), date.fromisoformat(first)

    assert long_term_from(owned_since) == first_day
    assert term_of(owned_since, first_day) is Term.LONG
    assert term_of(owned_since, first_day - timedelta(days=1)) is Term.SHORT


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_a_year_is_never_shorter_than_365_days_and_never_longer_than_367(owned_since):
    assert 366 <= (long_term_from(owned_since) - owned_since).days <= 367


@pytest.mark.parametrize(
    ("days", "expected"), [(-31, False), (-30, True), (-1, True), (0, True), (30, True), (31, False)]
)
def test_thirty_days_on_either_side_are_in_the_window(days, expected):
    sold_on = date(2024, 3, 15)

    assert is_washed(sold_on, sold_on + timedelta(days=days)) is expected


@given(
    st.decimals("-1000", "1000", places=2),
    st.lists(st.decimals("0.000001", "100", places=6), min_size=1, max_size=6),
)
def test_an_amount_spread_over_shares_loses_no_cent(amount, quantities):
    parts = list(shares_of(amount, quantities))

    assert sum(parts) == amount
    exact = [amount * quantity / sum(quantities) for quantity in quantities]
    assert all(abs(part - one) <= D("0.005") for part, one in zip(parts[:-1], exact[:-1], strict=True))
