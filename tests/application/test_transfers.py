"""Money that a bank brings or takes: it moves once, when the bank has done it, and back when the bank says so."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from application import commands as c
from domain.account import AccountStatus
from domain.errors import (
    AccountMustBeEmpty,
    AccountMustNotBeClosed,
    AvailableCashMustCoverWithdrawal,
    Refusal,
    TransferMustAllow,
    TransferMustExist,
)
from domain.terms import OrderType, Side
from domain.transfer import LIFE, Direction, Transfer, TransferStatus
from tests.application.transferring import DELAY, BankDesk, D, require_books, sums
from tests.domain.examples import ACCOUNT, NOW

IN, OUT = Direction.DEPOSIT, Direction.WITHDRAWAL


def test_a_transfer_made_at_once_is_one_fact():
    desk = BankDesk(is_instant=True)

    answer = desk.send(c.Deposit(account_id=ACCOUNT, transfer_id=uuid4(), amount=D("25.00")))

    assert answer.transfer_status == "completed"
    assert desk.said(1) == ["Account.Deposited"]


def test_cash_comes_when_the_bank_has_brought_it():
    desk = BankDesk()

    transfer = desk.deposit("25.00", is_completed=False)
    before = desk.account.cash
    desk.complete(transfer)

    assert before == 0
    assert desk.account.cash == D("25.00")
    assert desk.said(1) == ["Transfer.Initiated", "Account.Deposited", "Transfer.Completed"]
    assert desk.log[1].due_at == NOW + DELAY
    require_books(desk)


def test_cash_on_its_way_out_is_neither_spent_nor_withdrawn_again():
    desk = BankDesk()
    desk.deposit("100.00")

    transfer = desk.withdraw("60.00", is_completed=False)

    assert (desk.account.cash, desk.account.available, desk.account.withdrawable) == (100, 40, 40)
    with pytest.raises(AvailableCashMustCoverWithdrawal):
        desk.withdraw("40.01", is_completed=False)
    order = c.PlaceOrder(
        account_id=ACCOUNT,
        order_id=uuid4(),
        symbol="AAPL",
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=D(1),
        limit_price=D("40.01"),
    )
    assert desk.send(order).status == "rejected"
    require_books(desk)
    desk.complete(transfer)
    assert (desk.account.cash, desk.account.withdrawing) == (40, 0)
    require_books(desk)


def test_a_withdrawal_that_fails_is_free_again():
    desk = BankDesk()
    desk.deposit("100.00")
    transfer = desk.withdraw("60.00", is_completed=False)

    desk.fail(transfer)

    assert (desk.account.cash, desk.account.withdrawable) == (100, 100)
    assert desk.transfer(transfer).status is TransferStatus.FAILED
    require_books(desk)


def test_a_deposit_that_fails_never_came():
    desk = BankDesk()
    transfer = desk.deposit("100.00", is_completed=False)

    desk.fail(transfer)

    assert desk.account.cash == 0
    with pytest.raises(TransferMustAllow):
        desk.complete(transfer)
    require_books(desk)


def test_a_returned_deposit_takes_what_is_there_and_the_rest_is_owed():
    desk = BankDesk()
    transfer = desk.deposit("100.00")
    desk.withdraw("70.00")

    desk.give_back(transfer, IN, "100.00")

    assert (desk.account.cash, desk.account.owed) == (0, 70)
    assert desk.account.status is AccountStatus.SUSPENDED
    assert desk.log[-1].reason == "not_authorized"
    suspended = next(event for event in desk.log if type(event).__name__ == "Suspended")
    assert suspended.reason == "deposit_returned"
    assert sums(desk)["Assets:Firm:Bank:Operating"] == -70, "the firm's own money, not other customers'"
    require_books(desk)


def test_later_deposits_repay_the_debt_first():
    desk = BankDesk()
    transfer = desk.deposit("100.00")
    desk.withdraw("70.00")
    desk.give_back(transfer, IN, "100.00")

    desk.deposit("50.00")
    partly = (desk.account.cash, desk.account.owed)
    desk.deposit("50.00")

    assert partly == (0, 20)
    assert (desk.account.cash, desk.account.owed) == (30, 0)
    assert "Assets:Firm:Bank:Operating" not in sums(desk)
    require_books(desk)


def test_what_orders_hold_is_not_taken_and_nothing_is_withdrawn_while_money_is_owed():
    desk = BankDesk()
    transfer = desk.deposit("100.00")
    desk.send(
        c.PlaceOrder(
            account_id=ACCOUNT,
            order_id=UUID(int=77),
            symbol="AAPL",
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=D(1),
            limit_price=D("80.00"),
        )
    )

    desk.give_back(transfer, IN, "100.00")
    assert (desk.account.cash, desk.account.held, desk.account.owed) == (80, 80, 80)
    desk.send(c.CancelOrder(account_id=ACCOUNT, order_id=UUID(int=77)))
    desk.send(c.ReinstateAccount(account_id=ACCOUNT, reason="promised to pay"))

    assert desk.account.withdrawable == 0
    require_books(desk)


def test_a_returned_withdrawal_is_put_back_and_a_closed_account_is_open_for_staff_again():
    desk = BankDesk()
    desk.deposit("10.00")
    transfer = desk.withdraw("10.00")
    desk.send(c.CloseAccount(account_id=ACCOUNT))

    desk.give_back(transfer, OUT, "10.00")

    assert (desk.account.cash, desk.account.status) == (10, AccountStatus.SUSPENDED)
    require_books(desk)


def test_a_returned_withdrawal_repays_what_is_owed():
    desk = BankDesk()
    deposit = desk.deposit("10.00")
    withdrawal = desk.withdraw("10.00")
    desk.give_back(deposit, IN, "10.00")

    desk.give_back(withdrawal, OUT, "10.00")

    assert (desk.account.cash, desk.account.owed) == (0, 0)
    require_books(desk)


def test_a_transfer_made_at_once_can_be_returned_once():
    desk = BankDesk(is_instant=True)
    transfer = desk.deposit("10.00")

    for _ in range(2):
        desk.give_back(transfer, IN, "10.00")

    assert (desk.account.cash, desk.account.owed) == (0, 0)
    assert desk.account.status is AccountStatus.SUSPENDED
    require_books(desk)


def test_a_deposit_for_an_account_closed_meanwhile_fails():
    desk = BankDesk()
    transfer = desk.deposit("10.00", is_completed=False)
    desk.send(c.CloseAccount(account_id=ACCOUNT))

    for _ in range(2):
        desk.complete(transfer)

    assert desk.transfer(transfer).reason == "account_must_not_be_closed"
    assert desk.account.cash == 0
    with pytest.raises(AccountMustNotBeClosed):
        desk.deposit("1.00", is_completed=False)


def test_an_account_that_owes_or_pays_out_cannot_be_closed():
    desk = BankDesk()
    transfer = desk.deposit("10.00")
    desk.withdraw("10.00", is_completed=False)
    with pytest.raises(AccountMustBeEmpty):
        desk.send(c.CloseAccount(account_id=ACCOUNT))
    desk.give_back(transfer, IN, "10.00")
    desk.complete(next(iter(desk.account.withdrawals)))

    assert (desk.account.cash, desk.account.owed) == (0, 10)
    with pytest.raises(AccountMustBeEmpty):
        desk.send(c.CloseAccount(account_id=ACCOUNT))


def test_a_transfer_of_another_account_is_not_there():
    desk = BankDesk()
    transfer = desk.deposit("10.00")
    other = UUID(int=99)
    desk.send(c.OpenAccount(account_id=other, owner_id=other))

    with pytest.raises(TransferMustExist):
        desk.send(c.CompleteTransfer(account_id=other, transfer_id=transfer))


@pytest.mark.parametrize("fact", ["Completed", "Failed", "Returned"])
@pytest.mark.parametrize("status", [None, *TransferStatus])
def test_what_may_happen_to_a_transfer_is_its_table(status, fact):
    transfer = Transfer(id=UUID(int=1), account_id=ACCOUNT, status=status, direction=IN, amount=D(1))
    decide = {
        "Completed": lambda: transfer.complete(at=NOW),
        "Failed": lambda: transfer.fail("x", at=NOW),
        "Returned": lambda: transfer.give_back("x", direction=IN, amount=D(1), at=NOW),
    }[fact]
    is_again = {
        "Completed": (TransferStatus.COMPLETED, TransferStatus.RETURNED),
        "Failed": (TransferStatus.FAILED,),
        "Returned": (TransferStatus.RETURNED,),
    }[fact]

    if fact in LIFE[status]:
        assert decide()
        assert transfer.status is LIFE[status][fact]
    elif status in is_again:
        assert not decide()
        assert transfer.pending == []
    else:
        with pytest.raises(TransferMustAllow):
            decide()


class AnyTransfers(RuleBasedStateMachine):
    """Transfers told and told again in any order, beside a list of what a bank and a firm would have paid."""

    def __init__(self):
        super().__init__()
        self.desk = BankDesk()
        self.known = []
        self.moved = {}  # by transfer: dollars that came in, and that were paid back

    @rule(
        direction=st.sampled_from(Direction),
        amount=st.decimals("0.01", "100", places=2),
        is_instant=st.booleans(),
    )
    def begin(self, direction, amount, is_instant):
        rules = BankDesk(is_instant=is_instant).rules
        self.desk.rules = rules
        kind = {IN: c.Deposit, OUT: c.Withdraw}[direction]
        command = kind(account_id=ACCOUNT, transfer_id=uuid4(), amount=amount)
        if self.give(command):
            self.known.append((command.transfer_id, direction, amount))
            if is_instant:
                self.moved[command.transfer_id] = amount if direction is IN else -amount

    @precondition(lambda self: self.known)
    @rule(data=st.data(), what=st.sampled_from(["complete", "fail", "return"]), times=st.integers(1, 2))
    def tell(self, data, what, times):
        transfer_id, direction, amount = data.draw(st.sampled_from(self.known))
        before = self.desk.transfer(transfer_id).status
        signed = amount if direction is IN else -amount
        for _ in range(times):
            match what:
                case "complete":
                    command = c.CompleteTransfer(account_id=ACCOUNT, transfer_id=transfer_id)
                case "fail":
                    command = c.FailTransfer(account_id=ACCOUNT, transfer_id=transfer_id, reason="told")
                case _:
                    command = c.ReturnTransfer(
                        account_id=ACCOUNT,
                        transfer_id=transfer_id,
                        reason="told",
                        direction=direction,
                        amount=amount,
                    )
            self.give(command)
        after = self.desk.transfer(transfer_id).status
        if (before, after) == (TransferStatus.INITIATED, TransferStatus.COMPLETED):
            self.moved[transfer_id] = signed
        if after is TransferStatus.RETURNED:
            self.moved[transfer_id] = Decimal(0)

    @rule(kind=st.sampled_from([c.CloseAccount, c.ReinstateAccount, c.ReinstateAccount]))
    def judge(self, kind):
        self.give(kind(account_id=ACCOUNT, **({} if kind is c.CloseAccount else {"reason": "told"})))

    def give(self, command):
        try:
            self.desk.send(command)
        except Refusal:
            return False
        return True

    @invariant()
    def every_dollar_is_somewhere_and_none_is_below_nothing(self):
        account = self.desk.account
        assert account.cash - account.owed == sum(self.moved.values(), Decimal(0))
        assert account.withdrawing >= 0
        assert account.owed >= 0
        assert account.held + account.withdrawing <= account.cash
        assert account.withdrawing == sum(account.withdrawals.values(), Decimal(0))
        assert account.status != "closed" or not (account.cash or account.owed)
        require_books(self.desk)

    @invariant()
    def what_was_decided_is_what_is_folded(self):
        assert self.desk.replayed()[ACCOUNT] == self.desk.account


TestAnyTransfers = AnyTransfers.TestCase
TestAnyTransfers.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
