"""Commands from a venue: it works an order, its stop was elected, it traded."""

from application import commands as c
from application.answers import OrderAnswer
from application.ledger import Ledger
from domain.order import Order
from domain.trade import Trade
from domain.values import price, quantity


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
            at=ledger.now,
        )
        _book(trade, order=order, ledger=ledger)
    return OrderAnswer.of(order)


def _book(trade: Trade, *, order: Order, ledger: Ledger) -> None:
    account = ledger.account(order.account_id)
    position = ledger.position(order.account_id, order.symbol)
    if order.terms is not None and order.terms.is_buy:
        account.debit_purchase(trade, hold_after=order.cover, at=ledger.now)
        position.open_lot(trade, at=ledger.now)
    else:
        account.credit_sale(trade, at=ledger.now)
        position.relieve(trade, at=ledger.now)
