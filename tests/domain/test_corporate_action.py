"""What was announced is a dividend or a split, each with all of its terms, also after a snapshot."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from domain.corporate_action import FIRM, ActionKind, CorporateAction, Dividend, Split
from domain.errors import CorporateActionMustBeNew, CorporateActionMustExist

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
DAY = date(2026, 3, 9)


def action() -> CorporateAction:
    return CorporateAction(id=UUID(int=1), account_id=FIRM)


def split(of: CorporateAction, ratio: tuple[int, int]) -> None:
    of.announce_split("XYZ", *ratio, ex_date=DAY, cash_in_lieu=None, today=NOW.date(), at=NOW)


def test_nothing_was_announced_of_a_blank_one():
    with pytest.raises(CorporateActionMustExist):
        action().require_announced()
    assert action().kind is None


def test_the_same_terms_are_announced_once_and_others_are_refused():
    one = action()
    split(one, (2, 1))
    split(one, (2, 1))
    assert len(one.pending) == 1

    with pytest.raises(CorporateActionMustBeNew):
        split(one, (3, 1))
    one.cancel("a mistake", at=NOW)
    split(one, (3, 1))
    announced = one.require_announced()
    assert isinstance(announced, Split)
    assert (announced.numerator, announced.denominator, one.kind) == (3, 1, ActionKind.SPLIT)


def test_a_snapshot_keeps_which_of_the_two_it_is():
    one = action()
    days = {"ex_date": DAY, "record_date": DAY, "pay_date": DAY}
    one.announce_dividend("XYZ", Decimal("0.5"), **days, at=NOW)
    one.pending.clear()

    again = msgspec.json.decode(msgspec.json.encode(one), type=CorporateAction)

    assert again == one
    assert isinstance(again.announced, Dividend)
    assert (again.kind, again.announced.rate) == (ActionKind.DIVIDEND, Decimal("0.5"))
