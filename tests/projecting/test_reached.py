"""What readers know of positions: put together from partitions, and honest about parked accounts."""

from typing import Any

import pytest

from application.errors import ReadTableMustReachPosition
from infrastructure.news import News
from infrastructure.projecting.reached import Reached
from projections.balances import BALANCE_OF_ACCOUNT
from tests.projecting.test_parking import _append
from tests.projecting.test_reads import NOWHERE, reading
from tests.projecting.worked import ANN, BOB, Desk, project, work


def test_a_projection_stands_where_its_slowest_partition_does() -> None:
    reached = Reached()

    assert reached.note({"orders": 4}) == {"orders": 4}
    assert reached.note({"balances/0/2": 7}) == {}
    assert reached.note({"balances/1/2": 3, "orders": 5}) == {"balances": 3, "orders": 5}
    assert reached.note({"balances/1/2": 9}) == {"balances": 7}
    assert reached.note({"balances/1/2": 8}) == {"balances": 7}
    assert reached.note({"balances/0/3": 9, "balances/1/3": 9}) == {}
    assert reached.note({"balances/2/3": 10}) == {"balances": 9}


def test_it_is_known_whether_accounts_are_parked() -> None:
    news = News(NOWHERE)
    known = [news.may_have_parked("balances")]

    for told in (
        {"balances/0/2": 7, "balances/0/2#parked": 1},
        {"balances/1/2": 8},
        {"balances/0/2": 9},
    ):
        news.reached(told)
        known.append(news.may_have_parked("balances"))
    for parked in (2, 0):
        news.looked("balances", 10, parked)
        known.append(news.may_have_parked("balances"))

    assert known == [False, True, True, False, True, False]
    assert news.positions == {"balances": 10}


def test_a_read_of_a_parked_account_says_how_far_it_really_is(desk: Desk) -> None:
    work(desk)
    _append(desk, "Account.Teleported", b"{}")
    desk.opened()
    project(desk.url)

    def ask(account_id: Any, position: int | None) -> Any:
        question = BALANCE_OF_ACCOUNT
        return reading(
            desk,
            lambda r: r.reads.one(question, account_id=account_id, min_position=position),
            patience=0.1,
        )

    assert (ask(ANN, None).log_position, ask(ANN, 41).log_position) == (41, 41)
    assert (ask(BOB, None).log_position, ask(BOB, 44).log_position) == (44, 44)
    with pytest.raises(ReadTableMustReachPosition) as refused:
        ask(ANN, 42)
    assert (refused.value.wanted, refused.value.reached) == (42, 41)
