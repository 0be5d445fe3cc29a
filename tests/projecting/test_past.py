"""Differences between two moments, and walks through orders: compared with the plain answers about the past."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest

from application.changes import difference
from application.history import account_as_of
from application.walking import is_about
from domain.aggregate import Event
from domain.errors import (
    AccountMustExist,
    InstantMustBeWellFormed,
    MomentMustBeWithinTheAccountsLife,
    OrderMustExist,
)
from domain.order import Order
from infrastructure.past import open_history
from infrastructure.reading import History
from tests.ledger.lineage import numbers_in
from tests.projecting.worked import ANN, BOB, SALE, Desk, at, work

Facts = list[tuple[int, Event]]


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    desk = Desk(database.app_url)
    work(desk)
    desk.time = at(3600)
    yield desk
    desk.close()


@pytest.fixture
def history(desk: Desk) -> Iterator[History]:
    with open_history(desk.url, desk.now) as history:
        yield history


def of_ann(desk: Desk) -> Facts:
    return [(fact.log_position, fact.event) for fact in desk.facts() if fact.event.account_id == ANN]


def numbers(facts: Facts) -> dict[str, Decimal]:
    found = numbers_in(account_as_of(ANN, facts))
    return {path: number for path, number in found if not path.startswith("orders/")}


def said(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def test_a_difference_is_between_the_two_answers_and_names_the_events_in_between(desk: Desk) -> None:
    facts = of_ann(desk)
    for begin, end in combinations(range(1, len(facts) + 1), 2):
        first, last = facts[begin - 1][0], facts[end - 1][0]

        found = difference(ANN, facts[:end], from_position=first)

        before, after = numbers(facts[:begin]), numbers(facts[:end])
        wanted = {path for path in before | after if before.get(path) != after.get(path)}
        told = {one.field: one for one in found.changes}
        assert wanted == told.keys() & (before | after).keys()
        assert all(
            (told[path].before, told[path].after) == (said(before.get(path)), said(after.get(path)))
            for path in wanted
        )
        assert [one.log_position for one in found.events] == [position for position, _ in facts[begin:end]]
        assert all(first < by <= last for one in found.changes for by in one.changed_by)
        assert all(one.changed_by for one in found.changes)


def test_moments_and_positions_are_the_same_question(history: History) -> None:
    by_moment = history.difference(ANN, at(3), at(9))

    assert by_moment == history.difference(ANN, by_moment.from_position, by_moment.to_position)
    assert by_moment.events
    assert history.difference(ANN, 13, 13).changes == []


def test_what_cannot_be_compared_is_refused(history: History) -> None:
    for first, second, refusal in (
        (13, 5, InstantMustBeWellFormed),
        (5, 10**6, InstantMustBeWellFormed),
        (at(0), 5, MomentMustBeWithinTheAccountsLife),
        (at(0), at(0) - timedelta(seconds=1), MomentMustBeWithinTheAccountsLife),
        (at(1), at(9999), InstantMustBeWellFormed),
    ):
        with pytest.raises(refusal):
            history.difference(ANN, first, second)
    with pytest.raises(MomentMustBeWithinTheAccountsLife):
        history.difference(BOB, 1, 13)
    with pytest.raises(AccountMustExist):
        history.difference(UUID(int=99), 1, 2)


def test_an_orders_walk_has_the_account_before_and_after_each_of_its_facts(
    desk: Desk, history: History
) -> None:
    facts = of_ann(desk)
    orders = {event.originator_id for _, event in facts if isinstance(event, Order.Placed | Order.Rejected)}
    for order_id in orders:
        found = history.walk(order_id)

        about = [(position, event) for position, event in facts if is_about(event, order_id)]
        assert [step.log_position for step in found.steps] == [position for position, _ in about]
        for step in found.steps:
            for then, stood in (
                (step.before, account_as_of(ANN, [one for one in facts if one[0] < step.log_position])),
                (step.after, account_as_of(ANN, [one for one in facts if one[0] <= step.log_position])),
            ):
                shares = next((one for one in stood.positions if one.symbol == found.symbol), None)
                cash = (stood.cash, stood.held, stood.available, stood.unsettled)
                assert (then.cash, then.held, then.available, then.unsettled) == cash
                assert then.held_for_order == stood.holds.get(order_id, Decimal(0))
                assert shares is None or (then.quantity, then.reserved, then.cost) == (
                    shares.quantity,
                    shares.reserved,
                    shares.cost,
                )
            assert all(one.changed_by == [step.log_position] for one in step.changes)


def test_a_walk_tells_an_orders_life(history: History) -> None:
    found = history.walk(SALE)

    assert (found.account_id, found.symbol) == (ANN, "AAPL")
    assert {step.event.partition(".")[0] for step in found.steps} == {"Account", "Order", "Position"}
    assert [step.after.filled_quantity for step in found.steps] == sorted(
        step.after.filled_quantity for step in found.steps
    )


def test_a_walk_needs_an_order(history: History) -> None:
    for stranger in (UUID(int=99), ANN):
        with pytest.raises(OrderMustExist):
            history.walk(stranger)
