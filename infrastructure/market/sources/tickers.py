"""Symbols and first prices of the simulated market: well known ones first, then made-up ones."""

from decimal import Decimal
from random import Random

WELL_KNOWN = {
    "AAPL": 229, "MSFT": 428, "GOOG": 176, "AMZN": 197, "NVDA": 138, "META": 567, "TSLA": 251,
    "IBM": 214, "JPM": 223, "V": 290, "WMT": 82, "XOM": 119, "JNJ": 162, "PG": 169, "KO": 65,
    "DIS": 96, "NFLX": 756, "INTC": 22, "AMD": 156, "BAC": 42, "SPY": 580, "QQQ": 494, "UNH": 565,
    "HD": 405, "MA": 510, "CVX": 150, "MRK": 103, "ABBV": 188, "PEP": 170, "COST": 889, "ORCL": 173,
    "CRM": 292, "ADBE": 487, "CSCO": 56, "MCD": 299, "NKE": 78, "PFE": 28, "T": 22, "VZ": 42, "C": 63,
    "GS": 524, "MS": 118, "WFC": 65, "GE": 176, "CAT": 379, "BA": 150, "MMM": 128, "HON": 218, "F": 10,
    "GM": 52, "UBER": 78, "PYPL": 81, "SBUX": 97, "LOW": 268, "TXN": 205, "QCOM": 168, "AVGO": 173,
    "UPS": 134, "FDX": 273, "DE": 404,
}  # fmt: skip
MOST = 10_000

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAMES = len(_LETTERS) ** 3
_STEP = 7919  # a prime, so that stepping through the names visits each once, in no visible order


def first_prices(count: int) -> dict[str, Decimal]:
    """`count` symbols and whole-dollar or whole-cent prices; always the same. At most `MOST`."""
    if not 1 <= count <= MOST:
        raise ValueError(f"a simulated market has 1 to {MOST} symbols, not {count}")
    prices = {symbol: Decimal(dollars) for symbol, dollars in list(WELL_KNOWN.items())[:count]}
    number = 0
    while len(prices) < count:
        number += 1
        symbol = _name(number * _STEP % _NAMES)
        if symbol not in WELL_KNOWN:
            prices[symbol] = Decimal(Random(symbol).randrange(500, 40_000)).scaleb(-2)  # noqa: S311 - no secret
    return prices


def _name(number: int) -> str:
    rest, third = divmod(number, 26)
    first, second = divmod(rest, 26)
    return _LETTERS[first] + _LETTERS[second] + _LETTERS[third]
