"""Commands about money that comes from a bank or goes to one."""

from application import commands as c
from application.answers import AccountAnswer
from application.ledger import Ledger
from domain.account import Account, AccountStatus
from domain.errors import AccountMustNotBeClosed
from domain.transfer import Direction, Transfer, TransferStatus
from domain.values import money


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


def _initiate(
    transfer: Transfer, direction: Direction, command: c.Deposit | c.Withdraw, ledger: Ledger
) -> bool:
    due_at = ledger.now + ledger.rules.funding.delay
    return transfer.initiate(direction, money(command.amount), due_at=due_at, at=ledger.now)


def _both(command: c.TransferCommand, ledger: Ledger) -> tuple[Account, Transfer]:
    account = ledger.account(command.account_id)
    return account, ledger.transfer(command.transfer_id, account_id=account.id)


def _answer(account: Account, transfer: Transfer) -> AccountAnswer:
    return AccountAnswer.of(account, transfer_id=transfer.id, transfer_status=transfer.status)
