"""For all logs: seen again they give the same alerts, also when the watch was put down and taken up in between."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from application.surveillance import Thresholds
from domain.account import Account
from domain.case import AlertKind
from tests.surveillance.seeing import ANN, BOB, D, Telling, replayed

LOW = Thresholds(
    round_trips_most=1,
    cancels_most=2,
    cancels_within=timedelta(seconds=10),
    move_notional=D(100),
    dormant_for=timedelta(seconds=20),
    dormant_watched_for=timedelta(seconds=30),
)
"""So low that short histories have alerts of every kind."""

steps = st.lists(
    st.tuples(
        st.sampled_from(("buys", "sells", "cancels", "fills", "places", "withdraws", "rests", "sleeps")),
        st.sampled_from((ANN, BOB)),
        st.integers(90, 110),
        st.sampled_from(("AAPL", "MSFT")),
        st.booleans(),
    ),
    max_size=80,
)


def live(log: Telling, step: str, account: Any, price: int, symbol: str, has_more: bool) -> None:
    match step:
        case "buys" | "sells":
            more = D(1) if has_more else D(0)
            getattr(log, step)("1", str(price), symbol, account_id=account, leaves_quantity=more)
        case "cancels" | "places":
            getattr(log, step)(account)
        case "fills":
            log.fills(account_id=account)
        case "withdraws":
            facts = {"transfer_id": log.order(), "amount": D(1), "by_customer": True}
            log.happens(Account.Withdrawn, account, **facts)
        case "rests":
            log.after(timedelta(seconds=25))
        case _:
            log.after(timedelta(hours=7))


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(1, 7))
def test_the_same_log_gives_the_same_alerts(history: list[Any], put_down_after: int) -> None:
    log = Telling(LOW)
    for step in history:
        live(log, *step)

    assert replayed(log.seen, LOW) == log.alerts
    assert replayed(log.seen, LOW, put_down_after=put_down_after) == log.alerts


@settings(max_examples=150, deadline=None)
@given(steps)
def test_every_alert_rests_on_facts_of_the_log_and_has_a_case_of_its_own(history: list[Any]) -> None:
    log = Telling(LOW)
    for step in history:
        live(log, *step)

    assert len({alert.case_id for alert in log.alerts}) == len(log.alerts)
    for alert in log.alerts:
        positions = [one.log_position for one in alert.evidence]
        assert positions == sorted(positions)
        assert positions[-1] == alert.log_position
        own = positions[:-1] if alert.kind is AlertKind.TRADING_AHEAD else positions
        assert {log.seen[position - 1].event.account_id for position in own} == {alert.account_id}


@settings(max_examples=150, deadline=None)
@given(steps)
def test_wash_trading_is_what_a_naive_count_says(history: list[Any]) -> None:
    """By hand, from the trades of each account, symbol and day: purchase, sale, purchase, sale …"""
    log = Telling(LOW)
    for step in history:
        live(log, *step)

    found = {(a.account_id, a.symbol, a.day) for a in log.alerts if a.kind is AlertKind.WASH_TRADING}

    assert found == {key for key, trips in naive(log).items() if trips > LOW.round_trips_most}


def naive(log: Telling) -> dict[Any, int]:
    trades: dict[Any, list[Any]] = {}
    for seen in log.seen:
        if isinstance(seen.event, Account.PurchaseDebited | Account.SaleCredited):
            trades.setdefault((seen.event.account_id, seen.event.symbol, seen.day), []).append(seen.event)
    counts = {}
    for key, those in trades.items():
        bought, last, count = D(0), None, 0
        for one in those:
            is_buy = isinstance(one, Account.PurchaseDebited)
            if not is_buy and last is True and bought:
                count += 1
            bought = max(D(0), bought + (one.quantity if is_buy else -one.quantity))
            last = is_buy
        counts[key] = count
    return counts
