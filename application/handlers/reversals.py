"""Commands that take back what was recorded wrongly, alone or with the right fact in its place."""

from typing import Any

from application import correcting as c
from application.answers import AccountAnswer
from application.handlers.executions import method_of
from application.ledger import Ledger
from domain.account import Account
from domain.errors import CorrectionMustChangeSomething, EventMustBeReversible
from domain.order import Order
from domain.position import Position
from domain.trade import Trade, TradeDates
from domain.transfer import Direction, TransferStatus
from domain.values import money, price, quantity

BY_REVERSAL = "reversed"
"""Why a transfer counts as returned whose money was taken back."""


def reverse_cash(command: c.ReverseCash, ledger: Ledger) -> AccountAnswer:
    """Take back a deposit, a withdrawal or income; a transfer counts as returned."""
    account = ledger.account(command.account_id)
    account.reverse_cash(command.event, reason=command.reason, at=ledger.now)
    _give_back_transfer(command.event, ledger)
    return AccountAnswer.of(account)


def correct_cash(command: c.CorrectCash, ledger: Ledger) -> AccountAnswer:
    """Take it back, and record the right amount."""
    account = ledger.account(command.account_id)
    account.correct_cash(command.event, money(command.amount), reason=command.reason, at=ledger.now)
    _give_back_transfer(command.event, ledger)
    return AccountAnswer.of(account)


def reverse_execution(command: c.ReverseExecution, ledger: Ledger) -> AccountAnswer:
    """Take back an execution: its order, its cash and its shares together."""
    order, account = _order_of(command, ledger), ledger.account(command.account_id)
    _take_back(command, account=account, order=order, ledger=ledger)
    return AccountAnswer.of(account)


def correct_execution(command: c.CorrectExecution, ledger: Ledger) -> AccountAnswer:
    """Take it back, and book it anew with the right quantity and price, to the order's limit."""
    executed, shares, at = command.execution.executed, quantity(command.quantity), price(command.price)
    if (shares, at) == (executed.quantity, executed.price):
        raise CorrectionMustChangeSomething(f"{shares} were executed at {at} already")
    order, account = _order_of(command, ledger), ledger.account(command.account_id)
    dates = _dates_of(command.execution, account, ledger)
    _take_back(command, account=account, order=order, ledger=ledger)
    trade = order.correct(executed, shares, at, dates=dates, fees=ledger.rules.fees, at=ledger.now)
    _book_anew(trade, command.execution, order=order, ledger=ledger)
    return AccountAnswer.of(account)


def _book_anew(trade: Trade, wrong: c.Execution, *, order: Order, ledger: Ledger) -> None:
    """Book the right trade out of available cash or free shares; it counts to the day of the wrong one."""
    account, at = ledger.account(order.account_id), ledger.now
    position = ledger.position(account.id, order.symbol)
    if isinstance(wrong.cash, Account.PurchaseDebited) and isinstance(wrong.shares, Position.LotOpened):
        account.hold(trade.amount, order_id=order.id, at=at)
        account.debit_purchase(trade, hold_after=order.cover, corrects=wrong.cash, at=at)
        position.open_lot(trade, paid_on=wrong.shares.lot.paid_on, corrects=wrong.shares, at=at)
    elif isinstance(wrong.cash, Account.SaleCredited) and isinstance(wrong.shares, Position.LotsRelieved):
        position.reserve(trade.quantity, symbol=order.symbol, order_id=order.id, at=at)
        account.credit_sale(trade, corrects=wrong.cash, at=at)
        position.relieve(trade, method=method_of(order, account), corrects=wrong.shares, at=at)


def _dates_of(wrong: c.Execution, account: Account, ledger: Ledger) -> TradeDates:
    """The day on which it traded; what has settled meanwhile settles with the trades of today."""
    executed = wrong.executed
    traded = ledger.rules.cycle.dates(executed.recorded_at).trade_date
    return TradeDates(
        trade_date=traded if executed.effective_on is None else executed.effective_on,
        settles_on=ledger.dates.settles_on if account.is_settled(wrong.cash) else wrong.cash.settles_on,
    )


def _order_of(command: c.ReverseExecution, ledger: Ledger) -> Order:
    """The order, to be read before all others: its facts stand first in the log, as those of any execution."""
    return ledger.order(command.execution.executed.originator_id, account_id=command.account_id)


def _take_back(command: c.ReverseExecution, *, account: Account, order: Order, ledger: Ledger) -> None:
    execution, at = command.execution, ledger.now
    if execution.is_washed:
        raise EventMustBeReversible("a part of its loss has been disallowed")
    order.reverse(execution.executed, reason=command.reason, at=at)
    account.reverse_execution_cash(
        execution.cash, reason=command.reason, settles_on=ledger.dates.settles_on, at=at
    )
    position = ledger.position(account.id, execution.shares.symbol)
    if isinstance(execution.shares, Position.LotOpened):
        position.reverse_purchase(execution.shares, reason=command.reason, at=at)
        _release_surplus(account, order, ledger)
    else:
        position.reverse_sale(
            execution.shares,
            lots_before=execution.lots_before,
            splits_before=execution.splits_before,
            reason=command.reason,
            at=at,
        )


def _release_surplus(account: Account, order: Order, ledger: Ledger) -> None:
    """Give back what the order held for the shares that are not traded again."""
    surplus = account.held_for(order.id) - order.cover
    if surplus > 0:
        account.release(surplus, order_id=order.id, is_open=order.is_open, at=ledger.now)


def _give_back_transfer(event: Any, ledger: Ledger) -> None:
    """A transfer whose money was taken back is over: no bank can return it a second time."""
    transfer_id = getattr(event, "transfer_id", None)
    if transfer_id is None:
        return
    transfer = ledger.transfer(transfer_id, account_id=event.account_id)
    direction = Direction.DEPOSIT if isinstance(event, Account.Deposited) else Direction.WITHDRAWAL
    if transfer.status is TransferStatus.RETURNED:
        raise EventMustBeReversible("the bank has returned the transfer")
    transfer.give_back(BY_REVERSAL, direction=direction, amount=event.amount, at=ledger.now)
