"""Commands from a venue: it works an order, its stop was elected, it traded."""

from application import commands as c
from application.answers import OrderAnswer
from application.ledger import Ledger
from domain.account import Account
from domain.order import Order
from domain.position import Relief
from domain.trade import Trade
from domain.values import NO_SHARES, price, quantity


def accept(command: c.AcceptOrder, ledger: Ledger) -> OrderAnswer:
    """Note that a venue works the order."""
    order = ledger.order(command.order_id, account_id=command.account_id)
    order.accept(command.venue, at=ledger.now)
    return OrderAnswer.of(order)


def trigger(command: c.TriggerOrder, ledger: Ledger) -> OrderAnswer:
    """Elect the order's stop."""
    order = ledger.order(command.order_id, account_id=command.account_id)
    order.trigger(
        quote=command.quote, elected_by=command.elected_by, price=price(command.price), at=ledger.now
    )
    return OrderAnswer.of(order)


def execute(command: c.ExecuteOrder, ledger: Ledger) -> OrderAnswer:
    """Book an execution on the order, the cash and the shares together; once, by its execution id."""
    order = ledger.order(command.order_id, account_id=command.account_id)
    if command.execution_id not in order.executions:
        trade = order.execute(
            quantity(command.quantity),
            price(command.price),
            execution_id=command.execution_id,
            venue=command.venue,
            quote=command.quote,
            dates=ledger.dates,
            fees=ledger.rules.fees,
            at=ledger.now,
        )
        _book(trade, order=order, ledger=ledger)
    return OrderAnswer.of(order)


def _book(trade: Trade, *, order: Order, ledger: Ledger) -> None:
    account = ledger.account(order.account_id)
    position = ledger.position(order.account_id, order.symbol)
    if order.terms is not None and order.terms.is_buy:
        paid_on = account.paid_by_unsettled(trade.amount)
        account.debit_purchase(trade, hold_after=order.cover, at=ledger.now)
        position.open_lot(trade, paid_on=paid_on, at=ledger.now)
    else:
        account.credit_sale(trade, at=ledger.now)
        method = account.lot_method if order.lot_method is None else order.lot_method
        relieved = position.relieve(trade, method=method, at=ledger.now)
        _check_good_faith(account, trade, relieved, ledger=ledger)


def _check_good_faith(account: Account, sale: Trade, relieved: tuple[Relief, ...], *, ledger: Ledger) -> None:
    """Shares paid for with the proceeds of a sale must not be sold before that sale has settled."""
    early = [r for r in relieved if r.paid_on is not None and r.paid_on > sale.trade_date]
    if early:
        account.violate_good_faith(
            sale,
            quantity=sum((relief.quantity for relief in early), NO_SHARES),
            paid_on=max(relief.paid_on for relief in early if relief.paid_on is not None),
            at=ledger.now,
        )
