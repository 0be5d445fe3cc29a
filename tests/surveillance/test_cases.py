"""The life of a case, and what is decided with it."""

from datetime import timedelta
from uuid import UUID

import pytest

from application import casework as w
from application import commands as c
from application.answers import CaseAnswer
from domain.account import Account, AccountStatus
from domain.case import LIFE, Alert, AlertKind, Case, CaseStatus, Evidence, Resolution, Severity
from domain.errors import AccountMustExist, CaseMustBeOpen, CaseMustExist
from tests.application.desk import Desk
from tests.domain.examples import NOW

ANN, BOB, EVE = (UUID(int=n) for n in range(1, 4))
DAY = timedelta(days=1)


def alert(account_id: UUID = ANN, **changes: object) -> Alert:
    facts = {
        "account_id": account_id,
        "kind": AlertKind.WASH_TRADING,
        "severity": Severity.HIGH,
        "symbol": "AAPL",
        "day": NOW.date(),
        "alerted_at": NOW,
        "log_position": 7,
        "evidence": (Evidence(log_position=7, subject_id=BOB),),
        "figures": {},
    }
    return Alert(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.send(c.OpenAccount(account_id=ANN, owner_id=EVE))
    return desk


def opened(desk: Desk, one: Alert, *, block_for: timedelta | None = DAY) -> CaseAnswer:
    answer = desk.send(w.OpenCase.of(one, block_for=block_for))
    assert isinstance(answer, CaseAnswer)
    return answer


def ids(one: Alert) -> dict[str, UUID]:
    return {"account_id": one.account_id, "case_id": one.case_id}


def status(desk: Desk) -> AccountStatus:
    account = desk.load(Account, ANN, ANN)
    assert isinstance(account, Account)
    return account.status


def test_an_alert_opens_a_case_and_blocks_in_one_decision_and_once(desk: Desk) -> None:
    before = len(desk.log)

    assert opened(desk, alert()).is_new
    assert not opened(desk, alert()).is_new

    assert desk.said(before) == ["Case.Opened", "Account.Suspended"]
    suspended = desk.log[-1]
    assert isinstance(suspended, Account.Suspended)
    assert (suspended.reason, suspended.until) == ("surveillance_wash_trading", NOW + DAY)
    assert suspended.case_id == alert().case_id


def test_an_alert_that_is_raised_again_after_the_block_blocks_nobody_again(desk: Desk) -> None:
    opened(desk, alert())
    desk.now = NOW + DAY
    desk.send(w.EndBlock(account_id=ANN))
    assert status(desk) is AccountStatus.OPEN

    opened(desk, alert())

    assert status(desk) is AccountStatus.OPEN


@pytest.mark.parametrize(("age", "block_for"), [(DAY, DAY), (timedelta(), None), (timedelta(), timedelta())])
def test_an_old_alert_and_one_that_calls_for_none_block_nobody(
    desk: Desk, age: timedelta, block_for: timedelta | None
) -> None:
    opened(desk, alert(alerted_at=NOW - age), block_for=block_for)

    assert status(desk) is AccountStatus.OPEN


def test_account_kind_day_and_symbol_make_a_case_of_their_own() -> None:
    others = [
        alert(),
        alert(BOB),
        alert(kind=AlertKind.TRADING_AHEAD),
        alert(day=NOW.date() + DAY),
        alert(symbol="MSFT"),
        alert(symbol=None),
    ]

    assert len({one.case_id for one in others}) == len(others)
    assert alert(log_position=99).case_id == alert().case_id


def test_a_case_is_worked_until_it_is_closed(desk: Desk) -> None:
    one, before = alert(), len(desk.log)
    opened(desk, one, block_for=None)

    desk.send(w.NoteCase(**ids(one), text="looked at it"))
    desk.send(w.AssignCase(**ids(one), assignee_id=EVE))
    desk.send(w.AssignCase(**ids(one), assignee_id=EVE))
    desk.send(w.AssignCase(**ids(one), assignee_id=BOB))
    desk.send(w.NoteCase(**ids(one), text="asked"))
    answer = desk.send(w.CloseCase(**ids(one), resolution=Resolution.EXPLAINED, reason="a hedge"))

    assert desk.said(before) == [
        "Case.Opened",
        "Case.Noted",
        "Case.Assigned",
        "Case.Assigned",
        "Case.Noted",
        "Case.Closed",
    ]
    assert isinstance(answer, CaseAnswer)
    assert (answer.status, answer.assignee_id, answer.kind) == ("closed", BOB, "wash_trading")
    for command in (
        w.NoteCase(**ids(one), text="x"),
        w.AssignCase(**ids(one), assignee_id=EVE),
        w.CloseCase(**ids(one), resolution=Resolution.WARNED, reason="x"),
    ):
        with pytest.raises(CaseMustBeOpen):
            desk.send(command)
    assert len(desk.log) == before + 6


def test_what_may_follow_is_in_the_table() -> None:
    assert set(LIFE) == {None, *CaseStatus}
    named = {kind.__name__ for kind in Case.FACTS}
    assert {fact for facts in LIFE.values() for fact in facts} == named


def test_nobody_works_a_case_that_is_not_there_or_is_anothers(desk: Desk) -> None:
    one = alert()
    opened(desk, one)

    with pytest.raises(CaseMustExist):
        desk.send(w.NoteCase(account_id=ANN, case_id=BOB, text="x"))
    with pytest.raises(CaseMustExist):
        desk.send(w.NoteCase(account_id=BOB, case_id=one.case_id, text="x"))
    with pytest.raises(AccountMustExist):
        desk.send(w.OpenCase.of(alert(BOB), block_for=None))
