"""Dormant awakening: nothing by the customer for 365 days, and then a trade or a withdrawal."""

from datetime import timedelta

import pytest

from domain.account import Account
from domain.case import AlertKind, Severity
from domain.terms import LotMethod
from tests.surveillance.seeing import A_DAY, A_SECOND, ANN, BOB, D, Telling, a_correction

A_YEAR = 365 * A_DAY


def slept(time: timedelta = A_YEAR) -> Telling:
    """Ann opened her account, and has done nothing since."""
    log = Telling()
    log.happens(Account.Opened, owner_id=BOB, by_customer=True)
    return log.after(time)


def withdraws(log: Telling, **others: object) -> list[object]:
    facts = {"transfer_id": log.order(), "amount": D(5), "by_customer": True, **others}
    found: list[object] = log.happens(Account.Withdrawn, **facts)
    return found


@pytest.mark.parametrize(("time", "alerts"), [(A_YEAR - A_SECOND, 0), (A_YEAR, 1)])
def test_a_year_without_anything_and_then_a_trade(time: timedelta, alerts: int) -> None:
    log = slept(time)

    log.places()
    log.buys()

    assert len(log.alerts) == alerts


def test_the_alert_names_the_last_use_what_woke_it_and_what_came_then() -> None:
    log = slept()
    log.places()
    (alert,) = log.buys()

    assert (alert.kind, alert.severity, alert.symbol) == (
        AlertKind.DORMANT_AWAKENING,
        Severity.MEDIUM,
        None,
    )
    assert [one.log_position for one in alert.evidence] == [1, 2, 3]
    assert alert.figures == {"days": D(365), "days_least": D(365), "is_withdrawal": D(0)}


def test_a_withdrawal_wakes_and_is_the_alert_and_weighs_more() -> None:
    (alert,) = withdraws(slept())

    assert alert.severity is Severity.HIGH
    assert [one.log_position for one in alert.evidence] == [1, 2]


def test_money_held_for_a_bank_is_a_withdrawal_and_its_payment_is_not_another() -> None:
    log = slept()

    held = log.happens(Account.WithdrawalHeld, transfer_id=log.order(), amount=D(5), by_customer=True)
    paid = withdraws(log, held=True, by_customer=False)

    assert (len(held), len(paid)) == (1, 0)


@pytest.mark.parametrize(("days", "alerts"), [(30, 1), (30.001, 0)])
def test_who_is_awake_for_a_month_may_trade(days: float, alerts: int) -> None:
    log = slept()
    log.happens(Account.LotMethodChosen, method=LotMethod.FIFO, by_customer=True)

    log.after(timedelta(days=days)).buys()

    assert len(log.alerts) == alerts


def test_what_the_customer_did_not_do_wakes_nobody() -> None:
    """An order of last year trades at last; staff withdraw."""
    log = slept()

    log.buys()
    withdraws(log, by_customer=False)

    assert log.alerts == []


def test_an_account_that_is_used_now_and_then_is_awake() -> None:
    log = slept(300 * A_DAY)
    log.places()
    log.after(300 * A_DAY).places()
    log.buys()

    assert log.alerts == []


def test_corrections_are_no_trades_and_others_accounts_are_others() -> None:
    log = slept()
    log.places()

    log.buys(corrects=a_correction())
    log.buys(account_id=BOB)

    assert log.alerts == []
    assert set(log.watch.dormant.woken) == {ANN}


def test_a_second_sleep_is_a_second_alert() -> None:
    log = slept()
    withdraws(log)
    withdraws(log.after(A_YEAR))

    assert len({alert.case_id for alert in log.alerts}) == 2
