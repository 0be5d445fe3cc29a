"""The simulated market."""

import time
from decimal import Decimal
from itertools import pairwise

from domain.quotes import Quote
from infrastructure.market.sources.simulated import SimulatedMarket
from tests.market.samples import AT


def prices(quotes: list[Quote]) -> list[tuple[object, ...]]:
    return [(quote.symbol, quote.bid, quote.ask, quote.last, quote.bid_size) for quote in quotes]


def test_the_same_seed_makes_the_same_market_and_another_seed_another() -> None:
    one, same, other = (SimulatedMarket(20, seed=seed, first_sequence=1) for seed in (7, 7, 8))

    steps = [[prices(market.step(AT)) for _ in range(50)] for market in (one, same, other)]

    assert steps[0] == steps[1]
    assert steps[0] != steps[2]


def test_prices_are_whole_cents_with_the_last_between_bid_and_ask() -> None:
    market = SimulatedMarket(500, interval=3600)

    for _ in range(20):
        for quote in market.step(AT):
            assert quote.bid is not None
            assert quote.ask is not None
            assert quote.last is not None
            assert Decimal(0) < quote.bid < quote.last < quote.ask
            assert quote.bid.as_tuple().exponent == quote.ask.as_tuple().exponent == -2


def test_volume_never_shrinks_and_sequences_never_repeat() -> None:
    market = SimulatedMarket(20, first_sequence=1000)

    steps = [market.step(AT) for _ in range(20)]

    assert [quote.sequence for step in steps for quote in step] == list(range(1000, 1400))
    for earlier, later in pairwise(steps):
        assert all(a.volume <= b.volume for a, b in zip(earlier, later, strict=True))


def test_a_market_of_ten_thousand_symbols_steps_in_well_under_its_second() -> None:
    market = SimulatedMarket(10_000)

    started = time.perf_counter()
    quotes = market.step(AT)
    seconds = time.perf_counter() - started

    assert len({quote.symbol for quote in quotes}) == 10_000
    assert seconds < 0.5


def test_a_restarted_market_goes_on_from_its_last_prices() -> None:
    market = SimulatedMarket(5, seed=7)
    last = {**market.prices(), "AAPL": Decimal("500.00"), "GONE": Decimal("1.00")}

    first = SimulatedMarket(5, seed=7, last_prices=last).step(AT)[0]

    assert first.symbol == "AAPL"
    assert first.last is not None
    assert abs(first.last - 500) < 1


def test_a_restarted_market_numbers_on_from_the_wall() -> None:
    first = SimulatedMarket(20)
    used = first.step(AT)[-1].sequence
    time.sleep(0.001)

    assert SimulatedMarket(20).first_sequence > used
