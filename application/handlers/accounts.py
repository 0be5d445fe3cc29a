"""Commands about an account and its cash."""

from application import commands as c
from application.answers import AccountAnswer
from application.ledger import Ledger
from domain.values import money


def open_account(command: c.OpenAccount, ledger: Ledger) -> AccountAnswer:
    """Open an account; asking again changes nothing."""
    account = ledger.blank_account(command.account_id)
    account.open(owner_id=command.owner_id, at=ledger.now)
    return AccountAnswer.of(account)


def deposit(command: c.Deposit, ledger: Ledger) -> AccountAnswer:
    """Take in money."""
    account = ledger.account(command.account_id)
    account.deposit(money(command.amount), transfer_id=command.transfer_id, at=ledger.now)
    return AccountAnswer.of(account, transfer_id=command.transfer_id)


def withdraw(command: c.Withdraw, ledger: Ledger) -> AccountAnswer:
    """Pay out money."""
    account = ledger.account(command.account_id)
    account.withdraw(money(command.amount), transfer_id=command.transfer_id, at=ledger.now)
    return AccountAnswer.of(account, transfer_id=command.transfer_id)


def suspend(command: c.SuspendAccount, ledger: Ledger) -> AccountAnswer:
    """Stop new orders and withdrawals."""
    account = ledger.account(command.account_id)
    account.suspend(command.reason, at=ledger.now)
    return AccountAnswer.of(account)


def reinstate(command: c.ReinstateAccount, ledger: Ledger) -> AccountAnswer:
    """End a suspension."""
    account = ledger.account(command.account_id)
    account.reinstate(command.reason, is_approved=command.is_approved, at=ledger.now)
    return AccountAnswer.of(account)


def close(command: c.CloseAccount, ledger: Ledger) -> AccountAnswer:
    """End an empty account."""
    account = ledger.account(command.account_id)
    account.close(at=ledger.now)
    return AccountAnswer.of(account)
