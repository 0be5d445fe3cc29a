"""Commands about money that comes from a bank or goes to one."""

from uuid import UUID

from application import commands as c
from application.answers import AccountAnswer
from application.ledger import Ledger
from domain.account import Account, AccountStatus
from domain.errors import AccountMustNotBeClosed
from domain.transfer import Direction, Transfer, TransferStatus
from domain.values import Money, money


def deposit(command: c.Deposit, ledger: Ledger) -> AccountAnswer:
    """Take in money at once, or ask the bank for it."""
    account, amount = ledger.account(command.account_id), money(command.amount)
    if ledger.rules.funding.is_instant:
        account.deposit(amount, transfer_id=command.transfer_id, at=ledger.now)
        return AccountAnswer.of(
            account, transfer_id=command.transfer_id, transfer_status=TransferStatus.COMPLETED
        )
    account.require_not_closed()
    transfer = ledger.transfer(command.transfer_id, account_id=account.id)
    _initiate(transfer, Direction.DEPOSIT, command, ledger)
    return _answer(account, transfer)


def withdraw(command: c.Withdraw, ledger: Ledger) -> AccountAnswer:
    """Pay out money at once, or hold it and ask the bank to take it."""
    account, amount = ledger.account(command.account_id), money(command.amount)
    if ledger.rules.funding.is_instant:
        account.withdraw(amount, transfer_id=command.transfer_id, at=ledger.now)
        return AccountAnswer.of(
            account, transfer_id=command.transfer_id, transfer_status=TransferStatus.COMPLETED
        )
    transfer = ledger.transfer(command.transfer_id, account_id=account.id)
    if _initiate(transfer, Direction.WITHDRAWAL, command, ledger):
        account.hold_withdrawal(amount, transfer_id=transfer.id, at=ledger.now)
    return _answer(account, transfer)


def complete(command: c.CompleteTransfer, ledger: Ledger) -> AccountAnswer:
    """The bank did it: the money moves. A deposit into an account that was closed meanwhile fails instead."""
    account, transfer = _both(command, ledger)
    if transfer.is_deposit and account.status is AccountStatus.CLOSED:
        if transfer.status is TransferStatus.INITIATED:
            transfer.fail(AccountMustNotBeClosed.code, at=ledger.now)
    elif transfer.complete(at=ledger.now):
        if transfer.is_deposit:
            account.deposit(transfer.amount, transfer_id=transfer.id, at=ledger.now)
        else:
            account.pay_out(transfer.id, at=ledger.now)
    return _answer(account, transfer)


def fail(command: c.FailTransfer, ledger: Ledger) -> AccountAnswer:
    """The bank did not do it: what was held for it is free again."""
    account, transfer = _both(command, ledger)
    if transfer.fail(command.reason, at=ledger.now):
        account.release_withdrawal(transfer.id, at=ledger.now)
    return _answer(account, transfer)


def give_back(command: c.ReturnTransfer, ledger: Ledger) -> AccountAnswer:
    """The bank took back what it had done: the money moves the other way."""
    account, transfer = _both(command, ledger)
    amount = money(command.amount)
    if transfer.give_back(command.reason, direction=command.direction, amount=amount, at=ledger.now):
        account.suffer_return(
            transfer.amount, transfer_id=transfer.id, is_deposit=transfer.is_deposit, at=ledger.now
        )
    return _answer(account, transfer)


def send_residue(command: c.SendResidue, ledger: Ledger) -> AccountAnswer:
    """Send away what came to an account after its end."""
    account = ledger.account(command.account_id)
    status = send_away(account, command.transfer_id, ledger)
    return AccountAnswer.of(account, transfer_id=command.transfer_id, transfer_status=status)


def send_away(account: Account, transfer_id: UUID, ledger: Ledger) -> TransferStatus | None:
    """Pay out a closed account's residue as any withdrawal: at once, or by the bank. Raises ResidueMustBeThere."""
    if ledger.rules.funding.is_instant:
        account.send_residue(transfer_id, at_once=True, at=ledger.now)
        return TransferStatus.COMPLETED
    amount = account.send_residue(transfer_id, at_once=False, at=ledger.now)
    transfer = ledger.transfer(transfer_id, account_id=account.id)
    _ask_the_bank(transfer, Direction.WITHDRAWAL, amount, ledger)
    return transfer.status


def _initiate(
    transfer: Transfer, direction: Direction, command: c.Deposit | c.Withdraw, ledger: Ledger
) -> bool:
    return _ask_the_bank(transfer, direction, money(command.amount), ledger)


def _ask_the_bank(transfer: Transfer, direction: Direction, amount: Money, ledger: Ledger) -> bool:
    due_at = ledger.now + ledger.rules.funding.delay
    return transfer.initiate(direction, amount, due_at=due_at, at=ledger.now)


def _both(command: c.TransferCommand, ledger: Ledger) -> tuple[Account, Transfer]:
    account = ledger.account(command.account_id)
    return account, ledger.transfer(command.transfer_id, account_id=account.id)


def _answer(account: Account, transfer: Transfer) -> AccountAnswer:
    return AccountAnswer.of(account, transfer_id=transfer.id, transfer_status=transfer.status)
