"""Trading ahead: a trade of 10,000 dollars, and within thirty minutes the price is five percent in its favour."""

from datetime import timedelta

import pytest

from domain.case import AlertKind, Severity
from tests.surveillance.seeing import A_DAY, A_MINUTE, A_SECOND, ANN, BOB, D, Telling, a_correction


def moves_to(log: Telling, price: str, **others: object) -> list[object]:
    """Somebody else trades a share at this price."""
    found: list[object] = log.buys("1", price, account_id=BOB, **others)
    return found


def test_a_large_purchase_before_the_price_rises_is_an_alert_with_both_trades() -> None:
    log = Telling()
    log.buys("100", "100")

    assert moves_to(log, "104.99") == []
    (alert,) = moves_to(log, "105")

    assert (alert.account_id, alert.kind, alert.severity, alert.symbol) == (
        ANN,
        AlertKind.TRADING_AHEAD,
        Severity.HIGH,
        "AAPL",
    )
    assert [one.log_position for one in alert.evidence] == [1, 3]
    assert alert.figures == {
        "notional": D(10_000),
        "notional_least": D(10_000),
        "price": D(100),
        "price_after": D(105),
        "move_percent": D(5),
        "move_percent_least": D(5),
        "seconds": D(2),
        "seconds_most": D(1800),
    }


def test_a_large_sale_before_the_price_falls_is_one_too() -> None:
    log = Telling()
    log.sells("100", "100")

    assert moves_to(log, "95.01") == []
    assert len(moves_to(log, "95")) == 1


@pytest.mark.parametrize(("trade", "after"), [("buys", "90"), ("sells", "110")])
def test_a_move_against_the_trade_is_bad_luck(trade: str, after: str) -> None:
    log = Telling()
    getattr(log, trade)("100", "100")

    assert moves_to(log, after) == []


@pytest.mark.parametrize(("minutes", "alerts"), [(30, 1), (30.001, 0)])
def test_the_window_has_its_edge(minutes: float, alerts: int) -> None:
    log = Telling()
    log.buys("100", "100")

    assert len(moves_to(log.after(timedelta(minutes=minutes)), "120")) == alerts


def test_small_trades_are_left_alone_and_the_parts_of_an_order_add_up() -> None:
    log = Telling()
    order_id = log.order()
    log.buys("99.99", "100")
    log.buys("60", "100", order_id=order_id, leaves_quantity=D(40))
    log.buys("40", "102", order_id=order_id)

    (alert,) = moves_to(log, "106")

    assert alert.figures["price"] == D("100.8")
    assert alert.figures["notional"] == D(10_080)
    assert [one.log_position for one in alert.evidence] == [2, 3, 4]


def test_an_order_that_ends_in_parts_is_forgotten() -> None:
    log = Telling()
    log.buys("60", "100", leaves_quantity=D(40))
    log.buys("1", "100")

    assert len(log.watch.ahead.parts) == 1
    order_id = next(iter(log.watch.ahead.parts))
    from domain.order import Order

    log.happens(Order.Cancelled, originator_id=order_id, reason="requested", leaves_quantity=D(40))
    assert log.watch.ahead.parts == {}


def test_another_symbol_moves_nothing() -> None:
    log = Telling()
    log.buys("100", "100")

    assert moves_to(log, "200", symbol="MSFT") == []


def test_a_split_moves_the_price_and_means_nothing() -> None:
    log = Telling()
    log.now = log.now.replace(hour=23, minute=50)
    log.announces_split((log.now + A_DAY).date())
    log.sells("100", "100")

    assert moves_to(log.after(15 * A_MINUTE), "50") == []
    log.sells("200", "50")
    assert len(moves_to(log, "47.5")) == 1  # after it everything counts again


def test_a_split_that_was_cancelled_hides_nothing() -> None:
    from domain.corporate_action import FIRM, CorporateAction

    log = Telling()
    log.now = log.now.replace(hour=23, minute=50)
    action_id = log.announces_split((log.now + A_DAY).date())
    log.happens(CorporateAction.Cancelled, FIRM, originator_id=action_id, reason="by mistake")
    log.sells("100", "100")

    assert len(moves_to(log.after(15 * A_MINUTE), "50")) == 1


def test_several_traders_are_several_alerts_and_one_trader_has_one_a_day() -> None:
    log = Telling()
    for account in (ANN, BOB):
        log.buys("100", "100", account_id=account)
        log.buys("100", "100.50", account_id=account)

    moves_to(log, "110")
    moves_to(log, "120")

    assert [alert.account_id for alert in log.alerts] == [ANN, BOB]


def test_a_correction_is_no_price() -> None:
    log = Telling()
    log.buys("100", "100")

    assert moves_to(log, "200", corrects=a_correction()) == []


def test_old_trades_are_forgotten() -> None:
    log = Telling()
    for _ in range(100):
        log.after(A_MINUTE).buys("100", "100")

    assert len(log.watch.ahead.symbols["AAPL"].buys) <= 62
    assert log.now - log.watch.ahead.symbols["AAPL"].buys[0].at <= timedelta(minutes=61) + A_SECOND
