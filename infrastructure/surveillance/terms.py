"""The thresholds of surveillance as the settings have them."""

from datetime import timedelta

from application.surveillance import Thresholds
from infrastructure.settings import Settings


def thresholds_of(settings: Settings) -> Thresholds:
    """From when on something is an alert."""
    return Thresholds(
        round_trips_most=settings.surveillance_round_trips,
        block_for=timedelta(hours=settings.surveillance_block_hours),
        cancels_most=settings.surveillance_cancels,
        cancels_within=timedelta(seconds=settings.surveillance_cancel_seconds),
        cancels_filled_percent=settings.surveillance_cancel_filled_percent,
        move_least_percent=settings.surveillance_move_percent,
        move_within=timedelta(minutes=settings.surveillance_move_minutes),
        move_notional=settings.surveillance_move_notional,
        dormant_for=timedelta(days=settings.surveillance_dormant_days),
        dormant_watched_for=timedelta(days=settings.surveillance_dormant_watch_days),
    )
