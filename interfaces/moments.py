"""Moments as people write them."""

from datetime import UTC, date, datetime, time


def end_of_day(text: str) -> datetime | None:
    """The last moment (UTC) of a day such as 2026-01-31; None for what is no day."""
    try:
        return datetime.combine(date.fromisoformat(text), time.max, tzinfo=UTC) if len(text) == 10 else None
    except ValueError:
        return None


def log_position_in(text: str) -> int | None:
    """A log position written in digits; None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
