"""What regulators have charged for trades in US shares, by trade date.

Section 31 fee: set by order of the SEC in dollars for a million of sales. Trading Activity Fee: FINRA
By-Laws, Schedule A, section 1, in dollars a share sold, with the most that one trade pays. Both are passed on
by brokers rounded up to the cent. A rate is in force from its date until the next of the same name.
"""

from datetime import date
from decimal import Decimal

from domain.fees import Per, Rate
from domain.values import Money

D = Decimal
MILLION = D(1_000_000)


def _sec31(since: date, for_a_million: str, source: str = "SEC fee rate advisory") -> Rate:
    return Rate(name="sec31", since=since, rate=D(for_a_million) / MILLION, per=Per.DOLLAR, source=source)


def _taf(since: date, for_a_share: str, most: str | None, source: str) -> Rate:
    cap: Money | None = None if most is None else D(most)
    return Rate(name="taf", since=since, rate=D(for_a_share), per=Per.SHARE, most=cap, source=source)


SECTION_31 = (
    _sec31(date(2012, 4, 1), "22.40"),
    _sec31(date(2013, 5, 25), "17.40"),
    _sec31(date(2014, 3, 18), "22.10"),
    _sec31(date(2015, 2, 14), "18.40"),
    _sec31(date(2016, 2, 16), "21.80"),
    _sec31(date(2017, 7, 4), "23.10"),
    _sec31(date(2018, 5, 22), "13.00"),
    _sec31(date(2019, 4, 16), "20.70"),
    _sec31(date(2020, 2, 18), "22.10"),
    _sec31(date(2021, 2, 25), "5.10"),
    _sec31(date(2022, 5, 14), "22.90"),
    _sec31(date(2023, 2, 27), "8.00"),
    _sec31(date(2024, 5, 22), "27.80"),
    _sec31(date(2025, 5, 14), "0.00"),
    _sec31(date(2026, 4, 4), "20.60", "SEC order 34-104909, 91 FR 10643"),
)

TRADING_ACTIVITY_FEE = (
    _taf(date(2012, 7, 1), "0.000119", "5.95", "SR-FINRA-2012-023"),
    _taf(date(2022, 1, 1), "0.000130", "6.49", "SR-FINRA-2020-032"),
    _taf(date(2023, 1, 1), "0.000145", "7.27", "SR-FINRA-2020-032"),
    _taf(date(2024, 1, 1), "0.000166", "8.30", "SR-FINRA-2020-032"),
    _taf(date(2026, 1, 1), "0.000195", "9.79", "SR-FINRA-2024-019"),
    _taf(date(2026, 10, 1), "0", None, "SR-FINRA-2026-021, 91 FR 60435"),
    _taf(date(2027, 1, 1), "0.000195", "9.79", "SR-FINRA-2026-020"),
)

US_SHARES = (*SECTION_31, *TRADING_ACTIVITY_FEE)
