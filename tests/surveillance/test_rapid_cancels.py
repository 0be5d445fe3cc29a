"""Rapid order and cancel: more than twenty cancels within sixty seconds, and hardly an order that filled."""

from datetime import timedelta

import pytest

from domain.case import AlertKind, Severity
from tests.surveillance.seeing import A_DAY, A_SECOND, ANN, BOB, D, Telling, a_correction


def test_twenty_cancels_are_no_alert_and_one_more_is() -> None:
    log = Telling()

    for _ in range(20):
        assert log.cancels() == []
    (alert,) = log.cancels()

    assert (alert.kind, alert.severity, alert.symbol) == (AlertKind.RAPID_CANCELS, Severity.MEDIUM, None)
    assert alert.figures == {
        "cancels": D(21),
        "cancels_most": D(20),
        "seconds": D(20),
        "seconds_most": D(60),
        "filled_percent": D(0),
        "filled_percent_least": D(10),
    }
    assert [one.log_position for one in alert.evidence] == list(range(1, 22))


@pytest.mark.parametrize(("between", "alerts"), [(3, 1), (3.0001, 0)])
def test_the_window_has_its_edges(between: float, alerts: int) -> None:
    """Twenty-one cancels at equal distances: sixty seconds from the first to the last are within it, more are not."""
    log = Telling()

    for _ in range(21):
        log.after(timedelta(seconds=between)).cancels()

    assert len(log.alerts) == alerts


@pytest.mark.parametrize(("filled", "alerts"), [(2, 1), (3, 0)])
def test_who_fills_a_tenth_of_the_orders_trades(filled: int, alerts: int) -> None:
    """2 of 23 orders are 8.7 percent; 3 of 24 are 12.5."""
    log = Telling()

    for _ in range(filled):
        log.fills()
    for _ in range(21):
        log.cancels()

    assert len(log.alerts) == alerts


def test_ten_percent_of_the_orders_are_enough() -> None:
    """3 of 30, and then 3 of 31."""
    log = Telling()

    for _ in range(3):
        log.fills()
    for _ in range(27):
        assert log.cancels() == []

    assert len(log.cancels()) == 1


def test_an_order_that_was_filled_in_parts_counts_once() -> None:
    log = Telling()
    order_id = log.order()

    for _ in range(20):
        log.fills(order_id)
    for _ in range(21):
        log.cancels()

    assert len(log.alerts) == 1


def test_fills_that_have_left_the_window_do_not_count() -> None:
    log = Telling()

    for _ in range(10):
        log.fills()
    log.after(timedelta(seconds=61))
    for _ in range(21):
        log.cancels()

    assert len(log.alerts) == 1


def test_cancels_that_nobody_asked_for_do_not_count_and_accounts_do_not_add_up() -> None:
    log = Telling()

    for _ in range(50):
        log.cancels(reason="immediate_or_cancel")
    for _ in range(20):
        log.after(A_SECOND / 10).cancels(ANN)
        log.after(A_SECOND / 10).cancels(BOB)

    assert log.alerts == []


def test_midnight_does_not_cut_the_window() -> None:
    log = Telling()
    log.now = log.now.replace(hour=23, minute=59, second=50)

    for _ in range(21):
        log.cancels()

    (alert,) = log.alerts
    assert alert.day == log.now.date()


def test_quiet_accounts_are_forgotten() -> None:
    log = Telling()
    log.cancels(BOB)
    log.after(A_DAY).cancels(ANN)

    assert set(log.watch.cancels.windows) == {ANN}


def test_a_correction_is_no_fill() -> None:
    log = Telling()

    for _ in range(20):
        log.cancels()
        event = log.seen[-1].event
        assert event.corrects is None
    log.happens(
        type(_executed(log)),
        corrects=a_correction(),
        **{name: getattr(_executed(log), name) for name in ("execution_id", "venue", "quantity", "price")},
        amount=D(1),
        leaves_quantity=D(0),
        quote=0,
    )

    assert not log.watch.cancels.windows[ANN].filled


def _executed(log: Telling) -> object:
    other = Telling()
    other.fills()
    return other.seen[0].event
