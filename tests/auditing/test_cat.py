"""A day's orders by CAT's names: every kind of event of an order, from two worked histories."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from domain.order import Order
from infrastructure.auditing import cat
from tests.conftest import Database
from tests.projecting.further import live_on
from tests.projecting.worked import WORKED, Desk


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    one = Desk(database.app_url)
    yield one
    one.close()


def report(desk: Desk, day: date) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cat.report(desk.url, day, "TEST")]


def test_every_event_of_an_order_has_its_name_or_is_left_out_on_purpose() -> None:
    assert set(cat.NAMES) == set(Order.FACTS)


def test_every_reported_event_of_every_day_is_there_once_in_the_order_of_the_log(desk: Desk) -> None:
    for command in WORKED:
        desk.do(command)
    live_on(desk)
    facts = [fact for fact in desk.facts() if type(fact.event) in cat.NAMES]
    days = sorted({fact.event.recorded_at.astimezone(cat.EASTERN).date() for fact in facts})

    lines = [line for day in days for line in report(desk, day)]

    wanted = [(str(f.log_position), cat.NAMES[type(f.event)]) for f in facts if cat.NAMES[type(f.event)]]
    assert [(line["seqNum"], line["type"]) for line in lines] == wanted
    assert {"MENO", "MEOM", "MEOE", "MEOT", "MEOC"} <= {line["type"] for line in lines}
    assert {line["CATReporterIMID"] for line in lines} == {"TEST"}
    assert all(line["symbol"] for line in lines)
    assert len({line["firmROEID"] for line in lines}) == len(lines)


def test_a_trade_names_its_order_and_a_reversed_one_is_corrected(desk: Desk) -> None:
    for command in WORKED:
        desk.do(command)
    live_on(desk)
    days = sorted({fact.event.recorded_at.astimezone(cat.EASTERN).date() for fact in desk.facts()})
    lines = [line for day in days for line in report(desk, day)]

    trades = [line for line in lines if line["type"] == "MEOT"]
    (cancelled,) = [line for line in trades if line["actionType"] == "COR"]
    (was,) = [one for one in trades if one["tradeID"] == cancelled["tradeID"] and one["actionType"] == "NEW"]

    assert cancelled["cancelFlag"] is True
    assert (was["quantity"], was["price"]) == (cancelled["quantity"], cancelled["price"]) == (2, 10)
    (bought,) = was["buyDetails"]
    (placed,) = [line for line in lines if line["type"] == "MENO" and line["orderID"] == bought["orderID"]]
    assert (placed["orderKeyDate"], placed["side"]) == (bought["orderKeyDate"], bought["side"])


def test_a_day_without_orders_is_empty(desk: Desk) -> None:
    assert report(desk, date(1999, 1, 4)) == []
