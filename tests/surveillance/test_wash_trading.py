"""Wash trading: eleven round trips of one symbol on one day are too many, ten are not."""

from datetime import timedelta
from uuid import UUID

from application.surveillance import Thresholds
from domain.case import AlertKind, Severity
from tests.surveillance.seeing import A_DAY, ANN, BOB, D, Telling, a_correction


def test_ten_round_trips_are_no_alert_and_the_eleventh_is() -> None:
    log = Telling()

    for _ in range(10):
        assert log.round_trip() == []
    (alert,) = log.round_trip()

    assert (alert.account_id, alert.kind, alert.severity, alert.symbol) == (
        ANN,
        AlertKind.WASH_TRADING,
        Severity.HIGH,
        "AAPL",
    )
    assert alert.figures == {
        "round_trips": D(11),
        "round_trips_most": D(10),
        "quantity": D(110),
        "notional": D(11_000),
    }
    assert [one.log_position for one in alert.evidence] == list(range(1, 23))
    assert alert.log_position == 22
    assert alert.alerted_at == log.now
    assert {one.subject_id for one in alert.evidence} == {one.event.order_id for one in log.seen}


def test_the_day_has_one_alert_however_often_it_goes_on() -> None:
    log = Telling()

    for _ in range(40):
        log.round_trip()

    assert len(log.alerts) == 1


def test_two_symbols_do_not_add_up_and_neither_do_two_accounts() -> None:
    log = Telling()

    for number in range(20):
        log.round_trip("AAPL" if number % 2 else "MSFT")
    for _ in range(10):
        log.buys(symbol="IBM")
        log.sells(symbol="IBM")
        log.buys(symbol="IBM", account_id=BOB)
        log.sells(symbol="IBM", account_id=BOB)

    assert log.alerts == []


def test_the_next_day_begins_with_nothing() -> None:
    log = Telling()

    for _ in range(10):
        log.round_trip()
    log.after(A_DAY)
    for _ in range(10):
        log.round_trip()
    assert log.alerts == []
    (alert,) = log.round_trip()

    assert alert.day == log.now.date()


def test_each_day_has_an_alert_and_a_case_of_its_own() -> None:
    log = Telling()

    for _ in range(2):
        for _ in range(11):
            log.round_trip()
        log.after(A_DAY)

    assert len({alert.case_id for alert in log.alerts}) == 2


def test_shares_that_were_bought_before_the_day_make_no_round_trip() -> None:
    log = Telling()
    log.buys("1000")
    log.after(A_DAY)

    for _ in range(30):
        log.sells("10")

    assert log.alerts == []


def test_parts_of_two_orders_are_one_round_trip_and_so_is_a_sale_in_parts() -> None:
    log = Telling()
    buy, sale = UUID(int=5), UUID(int=6)

    for _ in range(30):
        log.buys("1", order_id=buy)
        log.sells("1", order_id=sale)
    log.buys("100")
    for _ in range(30):
        log.sells("1")

    assert log.alerts == []
    trips = log.watch.wash.trips[ANN]["AAPL"]
    assert len(trips.pairs) == 2


def test_corrections_trade_nothing() -> None:
    log = Telling()

    for _ in range(30):
        log.buys(corrects=a_correction())
        log.sells(corrects=a_correction())

    assert log.alerts == []


def test_the_threshold_is_a_setting() -> None:
    log = Telling(Thresholds(round_trips_most=2, block_for=timedelta()))

    assert log.round_trip() + log.round_trip() == []
    assert len(log.round_trip()) == 1
