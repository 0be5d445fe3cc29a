"""Blocks: a suspension with an end, and who may end it before."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.account import Account, AccountStatus
from domain.errors import (
    AccountMustBeOpenForTrading,
    AccountMustNotBeClosed,
    ReinstatementMustBeApproved,
)
from tests.domain.examples import NOW

D, CASE = 24 * timedelta(hours=1), UUID(int=8)
WASH = "surveillance_wash_trading"


def opened() -> Account:
    account = Account(id=UUID(int=1), account_id=UUID(int=1))
    account.open(owner_id=UUID(int=2), at=NOW)
    return account


def blocked(until: datetime = NOW + D) -> Account:
    account = opened()
    account.block(WASH, until=until, case_id=CASE, at=NOW)
    return account


def said(account: Account) -> list[Any]:
    return [
        (type(e).__name__, e.reason, getattr(e, "until", None))
        for e in account.pending
        if type(e).__name__ in ("Suspended", "Reinstated")
    ]


def test_a_block_refuses_and_tells_until_when_and_ends_with_its_time() -> None:
    account = blocked()

    with pytest.raises(AccountMustBeOpenForTrading) as refused:
        account.require_open()
    account.end_block(at=NOW + D - timedelta(microseconds=1))
    assert account.status is AccountStatus.SUSPENDED
    account.end_block(at=NOW + D)
    account.end_block(at=NOW + D)

    assert (
        str(refused.value)
        == f"the account is suspended until {(NOW + D).isoformat(timespec='seconds')}: {WASH}"
    )
    assert said(account) == [("Suspended", WASH, NOW + D), ("Reinstated", "block_ended", None)]
    assert (account.status, account.suspended_for, account.suspended_until) == (
        AccountStatus.OPEN,
        None,
        None,
    )


def test_one_member_of_staff_cannot_end_it_and_two_can() -> None:
    account = blocked()

    with pytest.raises(ReinstatementMustBeApproved):
        account.reinstate("a favour", at=NOW)
    account.reinstate("it was a hedge", is_approved=True, at=NOW)

    assert account.status is AccountStatus.OPEN
    account.end_block(at=NOW + 2 * D)
    assert said(account)[-1] == ("Reinstated", "it was a hedge", None)


def test_the_later_end_of_two_blocks_holds() -> None:
    account = blocked()

    account.block(WASH, until=NOW + D / 2, case_id=UUID(int=9), at=NOW)
    account.block(WASH, until=NOW + 2 * D, case_id=UUID(int=10), at=NOW)
    account.end_block(at=NOW + D)

    assert account.suspended_until == NOW + 2 * D
    assert account.status is AccountStatus.SUSPENDED


def test_staff_may_suspend_for_good_who_is_blocked_and_then_it_takes_two() -> None:
    account = blocked()

    account.suspend("papers are missing", at=NOW)
    account.suspend("papers are missing", at=NOW)
    account.end_block(at=NOW + 10 * D)

    assert account.status is AccountStatus.SUSPENDED
    assert said(account) == [("Suspended", WASH, NOW + D), ("Suspended", "papers are missing", None)]
    with pytest.raises(ReinstatementMustBeApproved):
        account.reinstate("papers came", at=NOW)


def test_who_was_suspended_before_stays_so_and_it_takes_two_from_now_on() -> None:
    account = opened()
    account.suspend("papers are missing", at=NOW)

    account.block(WASH, until=NOW + D, case_id=CASE, at=NOW)
    account.block(WASH, until=NOW + D, case_id=CASE, at=NOW)
    account.end_block(at=NOW + 10 * D)

    assert said(account) == [("Suspended", "papers are missing", None), ("Suspended", WASH, None)]
    with pytest.raises(ReinstatementMustBeApproved):
        account.reinstate("papers came", at=NOW)


def test_a_closed_account_is_not_blocked_and_cannot_be_suspended() -> None:
    account = opened()
    account.close(at=NOW)

    account.block(WASH, until=NOW + D, case_id=CASE, at=NOW)
    account.end_block(at=NOW + 2 * D)

    assert said(account) == []
    with pytest.raises(AccountMustNotBeClosed):
        account.suspend("x", at=NOW)


@pytest.mark.parametrize("is_deposit", [True, False])
@pytest.mark.parametrize("was_for_good", [True, False])
def test_a_bank_that_reopens_a_closed_account_does_not_end_the_need_of_two(
    *, is_deposit: bool, was_for_good: bool
) -> None:
    account = blocked()
    if was_for_good:
        account.suspend("surveillance: see the case", at=NOW)
    account.close(at=NOW)

    account.suffer_return(account.cash + 5, transfer_id=UUID(int=3), is_deposit=is_deposit, at=NOW + 3 * D)
    account.end_block(at=NOW + 9 * D)

    assert account.status is AccountStatus.SUSPENDED
    with pytest.raises(ReinstatementMustBeApproved):
        account.reinstate("the money came", at=NOW + 3 * D)
    account.reinstate("the money came", is_approved=True, at=NOW + 3 * D)
    assert account.status is AccountStatus.OPEN


def test_a_deposit_that_comes_back_takes_the_end_away_from_a_block() -> None:
    account = blocked()

    account.suffer_return(account.cash + 5, transfer_id=UUID(int=3), is_deposit=True, at=NOW)
    account.end_block(at=NOW + 2 * D)

    assert account.status is AccountStatus.SUSPENDED
    assert said(account)[-1] == ("Suspended", "deposit_returned", None)


def test_an_account_that_was_never_blocked_is_reinstated_by_one_after_a_return() -> None:
    account = opened()
    account.suspend("papers", at=NOW)
    account.close(at=NOW)

    account.suffer_return(account.cash + 5, transfer_id=UUID(int=3), is_deposit=True, at=NOW)
    account.reinstate("paid", at=NOW)

    assert account.status is AccountStatus.OPEN
