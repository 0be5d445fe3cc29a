"""Commands about an account and its cash."""

from application import commands as c
from application.answers import AccountAnswer
from application.ledger import Ledger
from domain.account.settling import require_due


def open_account(command: c.OpenAccount, ledger: Ledger) -> AccountAnswer:
    """Open an account; asking again changes nothing."""
    account = ledger.blank_account(command.account_id)
    account.open(owner_id=command.owner_id, at=ledger.now)
    return AccountAnswer.of(account)


def settle(command: c.Settle, ledger: Ledger) -> AccountAnswer:
    """Settle what is due; a day that is settled already changes nothing."""
    account = ledger.account(command.account_id)
    require_due(command.through, today=ledger.dates.trade_date)
    account.settle(through=command.through, at=ledger.now)
    return AccountAnswer.of(account)


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


def choose_lot_method(command: c.ChooseLotMethod, ledger: Ledger) -> AccountAnswer:
    """Give a standing order about the lots of sales."""
    account = ledger.account(command.account_id)
    account.require_not_closed()
    account.choose_lot_method(command.method, at=ledger.now)
    return AccountAnswer.of(account)


def close(command: c.CloseAccount, ledger: Ledger) -> AccountAnswer:
    """End an empty account."""
    account = ledger.account(command.account_id)
    account.close(at=ledger.now)
    return AccountAnswer.of(account)
