"""Commands about corporate actions and interest as such, and what accounts are paid of them."""

from uuid import uuid5

from application import corporate as c
from application.answers import AccountAnswer, ActionAnswer, PeriodAnswer
from application.handlers.transfers import send_away
from application.ledger import Ledger
from domain.account import AccountStatus
from domain.corporate_action import CorporateAction
from domain.values import price, symbol


def announce_dividend(command: c.AnnounceDividend, ledger: Ledger) -> ActionAnswer:
    """Announce a dividend."""
    action = _action(command, ledger)
    action.announce_dividend(
        symbol(command.symbol),
        command.rate,
        ex_date=command.ex_date,
        record_date=command.record_date,
        pay_date=command.pay_date,
        at=ledger.now,
    )
    return ActionAnswer.of(action)


def announce_split(command: c.AnnounceSplit, ledger: Ledger) -> ActionAnswer:
    """Announce a split."""
    action = _action(command, ledger)
    action.announce_split(
        symbol(command.symbol),
        command.numerator,
        command.denominator,
        ex_date=command.ex_date,
        cash_in_lieu=None if command.cash_in_lieu is None else price(command.cash_in_lieu),
        today=command.today,
        at=ledger.now,
    )
    return ActionAnswer.of(action)


def cancel(command: c.CancelAction, ledger: Ledger) -> ActionAnswer:
    """Take back an announcement."""
    action = _action(command, ledger)
    action.cancel(command.reason, at=ledger.now)
    return ActionAnswer.of(action)


def begin(command: c.BeginAction, ledger: Ledger) -> ActionAnswer:
    """Begin to work on accounts."""
    action = _action(command, ledger)
    action.begin(today=command.today, at=ledger.now)
    return ActionAnswer.of(action)


def fix_entitlements(command: c.FixEntitlements, ledger: Ledger) -> ActionAnswer:
    """Note that every holder is known."""
    action = _action(command, ledger)
    action.require_announced()
    action.fix_entitlements(
        accounts=command.accounts, quantity=command.quantity, amount=command.amount, at=ledger.now
    )
    return ActionAnswer.of(action)


def complete(command: c.CompleteAction, ledger: Ledger) -> ActionAnswer:
    """Note that every account has been worked on."""
    action = _action(command, ledger)
    action.require_announced()
    action.complete(accounts=command.accounts, at=ledger.now)
    return ActionAnswer.of(action)


def entitle(command: c.EntitleDividend, ledger: Ledger) -> AccountAnswer:
    """Note what an account will be paid."""
    account = ledger.account(command.account_id)
    account.entitle(command.entitlement, at=ledger.now)
    return AccountAnswer.of(account)


def pay_dividend(command: c.PayDividend, ledger: Ledger) -> AccountAnswer:
    """Pay an account its dividend; also a suspended or closed one, for the money is its owner's.

    Out of a closed one it goes on to the bank: brokers sweep such residual credits, so that the account ends at nothing.
    """
    account = ledger.account(command.account_id)
    is_paid = account.pay_dividend(command.action_id, withholding=command.withholding, at=ledger.now)
    if is_paid and account.status is AccountStatus.CLOSED and account.residue:
        send_away(account, uuid5(command.action_id, str(account.id)), ledger)
    return AccountAnswer.of(account)


def begin_interest(command: c.BeginInterest, ledger: Ledger) -> PeriodAnswer:
    """Begin to pay a month's interest."""
    period = ledger.interest_period(command.period_id)
    period.begin(command.first_day, command.rates, today=command.today, at=ledger.now)
    return PeriodAnswer.of(period)


def finish_interest(command: c.FinishInterest, ledger: Ledger) -> PeriodAnswer:
    """Note that every account has been paid."""
    period = ledger.interest_period(command.period_id)
    period.finish(accounts=command.accounts, amount=command.amount, at=ledger.now)
    return PeriodAnswer.of(period)


def pay_interest(command: c.PayInterest, ledger: Ledger) -> AccountAnswer:
    """Pay an account its interest; a closed one has none any more."""
    account = ledger.account(command.account_id)
    if account.status is not AccountStatus.CLOSED:
        account.pay_interest(
            command.accrued,
            first_day=command.first_day,
            last_day=command.last_day,
            withholding=command.withholding,
            at=ledger.now,
        )
    return AccountAnswer.of(account)


def _action(command: c.ActionCommand, ledger: Ledger) -> CorporateAction:
    return ledger.corporate_action(command.action_id)
