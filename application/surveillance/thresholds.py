"""From when on something is an alert. Documented, with their sources, in docs/surveillance.md."""

from datetime import timedelta
from decimal import Decimal

from msgspec import Struct


class Thresholds(Struct, frozen=True, kw_only=True):
    """An alert is raised beyond each `…_most`, and from each `…_least` on; shares of a whole are in percent."""

    round_trips_most: int = 10
    block_for: timedelta = timedelta(hours=24)  # nothing: no account is blocked
    cancels_most: int = 20
    cancels_within: timedelta = timedelta(seconds=60)
    cancels_filled_percent: Decimal = Decimal(10)  # from this part of filled orders on it is trading
    move_least_percent: Decimal = Decimal(5)
    move_within: timedelta = timedelta(minutes=30)
    move_notional: Decimal = Decimal(10_000)  # dollars; smaller trades are left alone
    dormant_for: timedelta = timedelta(days=365)
    dormant_watched_for: timedelta = timedelta(days=30)  # after the awakening
