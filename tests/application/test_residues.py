"""What comes to an account after its end is sent on to the bank, so that a closed account stays empty."""

from datetime import date
from uuid import UUID, uuid4

import pytest

from application import commands as c
from application import corporate as f
from domain.account import AccountStatus, entitlement_of
from domain.errors import AccountMustBeClosed, AccountMustBeEmpty, ResidueMustBeThere
from domain.transfer import Direction
from tests.application.transferring import BankDesk, D, require_books
from tests.domain.examples import ACCOUNT

ACTION = UUID(int=5)


def closed_with_a_dividend_to_come(*, is_instant: bool) -> BankDesk:
    """A desk whose account was closed before a late announcement found that it had held 10 shares."""
    desk = BankDesk(is_instant=is_instant)
    desk.send(c.CloseAccount(account_id=ACCOUNT))
    days = {"ex_date": date(2026, 3, 2), "pay_date": date(2026, 3, 9)}
    due = entitlement_of(action_id=ACTION, symbol="F", quantity=D(10), rate=D("0.475"), **days)
    desk.send(f.EntitleDividend(account_id=ACCOUNT, entitlement=due))
    return desk


def pay(desk: BankDesk) -> None:
    desk.send(f.PayDividend(account_id=ACCOUNT, action_id=ACTION))


def send_away(desk: BankDesk) -> UUID:
    transfer_id = uuid4()
    desk.send(c.SendResidue(account_id=ACCOUNT, transfer_id=transfer_id))
    return transfer_id


def test_a_late_dividend_goes_on_at_once():
    desk = closed_with_a_dividend_to_come(is_instant=True)

    for _ in range(2):
        pay(desk)

    assert desk.said(3) == ["Account.DividendPaid", "Account.Withdrawn"]
    assert (desk.account.cash, desk.account.status) == (0, AccountStatus.CLOSED)
    desk.account.require_empty()
    require_books(desk)


def test_a_late_dividend_goes_on_by_the_bank():
    desk = closed_with_a_dividend_to_come(is_instant=False)

    for _ in range(2):
        pay(desk)

    (transfer_id,) = desk.account.withdrawals
    assert (desk.account.cash, desk.account.withdrawing) == (D("4.75"), D("4.75"))
    with pytest.raises(AccountMustBeEmpty):
        desk.account.require_empty()
    desk.complete(transfer_id)
    desk.account.require_empty()
    require_books(desk)


def test_what_the_bank_does_not_take_stands_until_staff_sends_it_away():
    desk = closed_with_a_dividend_to_come(is_instant=False)
    pay(desk)
    (first,) = desk.account.withdrawals
    desk.fail(first)
    pay(desk)
    assert (desk.account.residue, desk.account.withdrawing) == (D("4.75"), 0)

    second = send_away(desk)

    with pytest.raises(ResidueMustBeThere):
        send_away(desk)
    desk.complete(second)
    with pytest.raises(ResidueMustBeThere):
        send_away(desk)
    desk.account.require_empty()
    require_books(desk)


def test_a_residue_that_came_back_is_sent_once_more_and_the_account_closed_again():
    desk = closed_with_a_dividend_to_come(is_instant=False)
    pay(desk)
    (first,) = desk.account.withdrawals
    desk.complete(first)
    desk.give_back(first, Direction.WITHDRAWAL, "4.75")
    assert desk.account.status is AccountStatus.SUSPENDED

    desk.complete(send_away(desk))
    desk.send(c.CloseAccount(account_id=ACCOUNT))

    desk.account.require_empty()
    require_books(desk)


def test_only_what_is_in_a_closed_account_is_a_residue():
    desk = BankDesk()
    desk.deposit("10.00")

    with pytest.raises(AccountMustBeClosed):
        send_away(desk)
    desk.send(c.SuspendAccount(account_id=ACCOUNT, reason="papers are missing"))
    with pytest.raises(AccountMustBeClosed):
        send_away(desk)

    assert (desk.account.cash, desk.account.residue) == (10, 0)
