"""Two times: when a fact counts, and when it became known."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.brokerage import fold
from application.effect import in_effect
from application.history import account_as_of
from domain.account import Account
from domain.aggregate import Event, EventRef
from domain.errors import MomentMustBeWithinTheAccountsLife

ANN = UUID(int=1)
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
D = Decimal


class TakenBack(Event, frozen=True, kw_only=True):
    """A reversal, of a deposit."""

    reverses: EventRef
    amount: Decimal

    def apply(self, account: Any) -> None:
        account.cash -= self.amount


class Story:
    """An account's facts, each an hour after the one before unless said."""

    def __init__(self) -> None:
        self.facts: list[tuple[int, Event]] = []
        self.add(Account.Opened, owner_id=ANN)

    def add(self, kind: type[Event], *, hours: float | None = None, **fields: Any) -> EventRef:
        version = len(self.facts) + 1
        at = START + timedelta(hours=len(self.facts) if hours is None else hours)
        event = kind(originator_id=ANN, originator_version=version, account_id=ANN, recorded_at=at, **fields)
        self.facts.append((version, event))
        return EventRef(ANN, version)

    def deposit(self, amount: str, **fields: Any) -> EventRef:
        return self.add(Account.Deposited, transfer_id=uuid4(), amount=D(amount), **fields)

    def cash(self, *, hours: float) -> Decimal:
        folded: Any = fold(
            None, (event for _, event in in_effect(self.facts, START + timedelta(hours=hours)))
        )
        return folded.cash


def test_what_is_recorded_later_counts_later() -> None:
    story = Story()
    story.deposit("10.00")
    story.deposit("5.00")

    assert [story.cash(hours=hours) for hours in (0, 0.99, 1, 2)] == [D(0), D(0), D("10.00"), D("15.00")]


def test_what_counts_to_an_earlier_day_is_there_from_its_beginning() -> None:
    story = Story()
    story.deposit("10.00")
    story.deposit("5.00", hours=100, effective_on=date(2026, 3, 4))

    before = datetime(2026, 3, 4, tzinfo=UTC) - START
    assert story.cash(hours=before / timedelta(hours=1) - 0.001) == D("10.00")
    assert story.cash(hours=before / timedelta(hours=1)) == D("15.00")


def test_a_correction_counts_to_the_moment_of_what_it_corrects() -> None:
    story = Story()
    wrong = story.deposit("10.00")
    story.add(TakenBack, hours=100, reverses=wrong, amount=D("10.00"), effective_on=START.date())
    story.deposit("1.00", hours=100, corrects=wrong, effective_on=START.date())

    assert [story.cash(hours=hours) for hours in (0.99, 1, 99, 100, 200)] == [D(0), *[D("1.00")] * 4]


@pytest.mark.parametrize("hours", [1, 50, 99.9, 100, 200])
def test_what_was_taken_back_never_was_as_known_afterwards(hours: float) -> None:
    story = Story()
    wrong = story.deposit("10.00")
    story.deposit("2.00")
    known_before = list(story.facts)
    story.add(TakenBack, hours=100, reverses=wrong, amount=D("10.00"), effective_on=START.date())

    assert story.cash(hours=hours) == (D("2.00") if hours >= 2 else D("0.00"))
    assert fold(None, (event for _, event in known_before)).cash == D("12.00")


def test_a_fact_that_does_not_count_yet_has_no_reversal_that_does() -> None:
    story = Story()
    wrong = story.deposit("10.00", hours=1, effective_on=date(2026, 3, 10))
    story.add(TakenBack, hours=100, reverses=wrong, amount=D("10.00"), effective_on=date(2026, 3, 5))

    assert [story.cash(hours=hours) for hours in (2, 90, 120, 1000)] == [D(0)] * 4


def test_everything_in_effect_is_the_plain_answer() -> None:
    story = Story()
    wrong = story.deposit("10.00")
    story.add(TakenBack, reverses=wrong, amount=D("10.00"), effective_on=START.date())
    story.deposit("1.00", corrects=wrong, effective_on=START.date())

    assert list(in_effect(story.facts, START + timedelta(hours=9))) == story.facts


def test_an_answer_says_to_when_it_counts_and_is_none_before_the_account_was_opened() -> None:
    story = Story()
    story.deposit("10.00")

    then = account_as_of(ANN, story.facts, effective_at=START)
    assert (then.cash, then.events, then.log_position, then.effective_at) == (D(0), 1, 1, START)
    with pytest.raises(MomentMustBeWithinTheAccountsLife):
        account_as_of(ANN, story.facts, effective_at=START - timedelta(seconds=1))


def test_every_cent_names_its_event() -> None:
    story = Story()
    story.deposit("10.00")
    story.add(Account.Withdrawn, transfer_id=uuid4(), amount=D("4.00"))

    made: Any = account_as_of(ANN, story.facts, explain=True).lineage

    assert [(one.log_position, one.event, one.amount) for one in made["cash"]] == [
        (2, "Account.Deposited", D("10.00")),
        (3, "Account.Withdrawn", D("-4.00")),
    ]
    assert made["held"] == []
