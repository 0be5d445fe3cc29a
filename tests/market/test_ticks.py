"""Cutting quotes into ticks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from domain.quotes import Quote
from infrastructure.market.calendars import calendar_named
from infrastructure.market.ticks import Cut, Cutter
from tests.market.samples import quote

DAY = datetime(2013, 10, 7, tzinfo=UTC)


def stream(*times: str) -> list[tuple[datetime, list[Quote]]]:
    """One quote at each "day hour:minute:second" after the start of Monday, 7 October 2013."""
    moments = []
    for text in times:
        day, clock = text.split(" ")
        hour, minute, second = map(int, clock.split(":"))
        moments.append(DAY + timedelta(days=int(day), hours=hour, minutes=minute, seconds=second))
    return [(at, [quote(at=at, sequence=number)]) for number, at in enumerate(moments, 1)]


def cuts(
    *times: str, window: float | None = None, most: int = 500, calendar: str = "XNYS"
) -> list[tuple[str, bool, int]]:
    cutter = Cutter(
        calendar_named(calendar), window=None if window is None else timedelta(seconds=window), most=most
    )
    return [shown(cut) for cut in cutter.cut(stream(*times))]


def shown(cut: Cut) -> tuple[str, bool, int]:
    return f"{(cut.at - DAY).days} {cut.at:%H:%M:%S}", cut.session.is_open, len(cut.quotes)


def test_quotes_of_one_window_share_a_tick_that_is_as_late_as_its_last_quote() -> None:
    assert cuts("0 14:00:00", "0 14:00:01", "0 14:00:02", window=2)[:2] == [
        ("0 14:00:01", True, 2),
        ("0 14:00:02", True, 1),
    ]


def test_quotes_of_one_moment_stay_together_though_they_are_too_many() -> None:
    at = DAY + timedelta(hours=14)
    groups = [(at, [quote(at=at)] * 3), (at + timedelta(seconds=1), [quote(at=at)])]

    found = list(Cutter(calendar_named("XNYS"), window=None, most=2).cut(groups))

    assert [len(cut.quotes) for cut in found] == [3, 1, 0]


def test_a_tick_never_spans_the_open_or_the_close() -> None:
    assert cuts("0 13:29:59", "0 13:30:00", "0 19:59:59", "0 20:00:00", "0 20:00:01") == [
        ("0 13:29:59", False, 1),
        ("0 19:59:59", True, 2),
        ("0 20:00:01", False, 2),
    ]


def test_opens_and_closes_without_a_quote_have_a_tick_of_their_own() -> None:
    assert cuts("0 13:00:00", "0 14:00:00", "1 14:00:00") == [
        ("0 13:00:00", False, 1),
        ("0 13:30:00", True, 0),
        ("0 14:00:00", True, 1),
        ("0 20:00:00", False, 0),
        ("1 13:30:00", True, 0),
        ("1 14:00:00", True, 1),
        ("1 20:00:00", False, 0),
    ]


def test_sessions_without_a_single_quote_are_passed_over() -> None:
    assert [at for at, _, _ in cuts("0 19:00:00", "4 19:00:00")] == [
        "0 19:00:00",
        "0 20:00:00",
        "4 13:30:00",
        "4 19:00:00",
        "4 20:00:00",
    ]


def test_a_market_that_never_closes_has_a_tick_at_midnight_and_none_after_its_data() -> None:
    assert cuts("0 23:00:00", "1 01:00:00", calendar="always") == [
        ("0 23:00:00", True, 1),
        ("1 00:00:00", True, 0),
        ("1 01:00:00", True, 1),
    ]


def test_every_quote_is_in_exactly_one_tick_in_its_order() -> None:
    times = [
        f"{day} {hour}:{minute:02}:00" for day in range(5) for hour in range(11, 23) for minute in (0, 30, 59)
    ]
    cutter = Cutter(calendar_named("XNYS"), window=timedelta(hours=3), most=4)

    found = list(cutter.cut(stream(*times)))

    assert [each.sequence for cut in found for each in cut.quotes] == list(range(1, len(times) + 1))
    assert all(one.at < other.first_at for one, other in pairwise(found))
    assert all(len(cut.quotes) <= 4 for cut in found)
