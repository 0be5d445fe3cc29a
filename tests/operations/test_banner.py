"""What a newcomer reads first is true of the market that runs."""

import pytest

from infrastructure.settings import Settings
from interfaces.demo.seed import banner


@pytest.mark.parametrize(
    ("settings", "sentence", "symbol"),
    [
        (Settings(market_symbols=3), "The prices of 3 symbols are simulated.", "AAPL"),
        (Settings(market_source="replay"), "Real daily prices of AAPL, FB, GOOG, IBM and MSFT are", "IBM"),
        (
            Settings(market_source="replay", market_path=("a.csv", "b")),
            "What is in a.csv, b is being replayed.",
            "IBM",
        ),
    ],
)
def test_the_banner_says_where_prices_come_from(settings: Settings, sentence: str, symbol: str) -> None:
    text = banner("http://127.0.0.1:8000", settings)

    assert f"Daybook is running. {sentence}" in text
    assert f'"symbol":"{symbol}"' in text
