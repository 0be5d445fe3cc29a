"""When the market is open."""

from datetime import UTC, date, datetime, timedelta

import pytest

from infrastructure.market.calendars import CalendarIsUnknown, calendar_named


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def test_new_york_is_open_from_half_past_nine_to_four_in_its_own_time() -> None:
    xnys = calendar_named("XNYS")

    session = xnys.session_at(utc(2013, 10, 7, 15))

    assert session.is_open
    assert xnys.opened_at(utc(2013, 10, 7, 15)) == utc(2013, 10, 7, 13, 30)
    assert session.closes_at == utc(2013, 10, 7, 20)
    assert session.previous_close == utc(2013, 10, 4, 20)


def test_new_york_closes_early_before_independence_day() -> None:
    xnys = calendar_named("XNYS")

    assert xnys.session_at(utc(2013, 7, 3, 14)).closes_at == utc(2013, 7, 3, 17)
    assert xnys.last_close(utc(2013, 7, 4, 12)) == utc(2013, 7, 3, 17)
    assert xnys.next_open(utc(2013, 7, 3, 18)) == utc(2013, 7, 5, 13, 30)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (utc(2013, 10, 7, 13, 30) - timedelta(microseconds=1), False),
        (utc(2013, 10, 7, 13, 30), True),
        (utc(2013, 10, 7, 20) - timedelta(microseconds=1), True),
        (utc(2013, 10, 7, 20), False),
        (utc(2013, 10, 6, 15), False),
        (utc(2000, 3, 1, 15), True),
        (utc(1998, 1, 2, 15), True),
    ],
)
def test_the_open_belongs_to_the_session_and_the_close_does_not(at: datetime, is_open: bool) -> None:
    assert calendar_named("XNYS").session_at(at).is_open is is_open


def test_sessions_asked_for_in_any_order_are_the_same() -> None:
    xnys = calendar_named("XNYS")
    moments = [utc(2013, 10, 1) + timedelta(hours=7 * number) for number in range(100)]

    forwards = [xnys.session_at(at) for at in moments]
    backwards = [xnys.session_at(at) for at in reversed(moments)]

    assert forwards == backwards[::-1]
    assert all(session.previous_close <= at for session, at in zip(forwards, moments, strict=True))


def test_a_market_that_never_closes_has_days_that_end_at_midnight() -> None:
    always = calendar_named("always")

    session = always.session_at(utc(2026, 2, 28, 23, 59))

    assert session.is_open
    assert session.closes_at == utc(2026, 3, 1)
    assert session.previous_close == utc(2026, 2, 28)
    assert always.session_at(utc(2026, 3, 1)).previous_close == utc(2026, 3, 1)


def test_a_holiday_has_no_hours() -> None:
    assert calendar_named("XNYS").hours_on(date(2013, 7, 4)) is None


def test_an_unknown_calendar_is_refused_by_name() -> None:
    with pytest.raises(CalendarIsUnknown, match="NOWHERE"):
        calendar_named("NOWHERE")
