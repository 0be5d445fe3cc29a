"""Commands about an order and what covers it: cash for a buy, shares for a sale."""

from application import commands as c
from application.answers import OrderAnswer
from application.ledger import Ledger
from domain.account import Account
from domain.errors import RuleBroken, SymbolMustBeQuoted
from domain.order import Order, cap_on_price
from domain.terms import OrderTerms, checked_lots
from domain.trade import total
from domain.values import NOTHING, Money, Price, rounded_up


def place(command: c.PlaceOrder, ledger: Ledger) -> OrderAnswer:
    """Take the order and hold its cover, or keep it as rejected with the rule that says no."""
    account = ledger.account(command.account_id)
    order = ledger.blank_order(command.order_id, account_id=account.id, is_new=command.is_new)
    order.require_new()
    terms = _terms_of(command)
    try:
        price_cap = _cap(terms, ask=command.ask, ledger=ledger)
        charges = _charges_to_hold(terms, price_cap, ledger=ledger)
        _set_aside(terms, price_cap, charges, account=account, order=order, ledger=ledger)
    except RuleBroken as refusal:
        order.reject(terms, reason=refusal.code, detail=refusal.detail, at=ledger.now)
    else:
        order.place(terms, price_cap=price_cap, charges_held=charges, at=ledger.now)
    return OrderAnswer.of(order)


def replace(command: c.ReplaceOrder, ledger: Ledger) -> OrderAnswer:
    """Change an open order's terms, and its cover with them."""
    account = ledger.account(command.account_id)
    account.require_open()
    order = ledger.order(command.order_id, account_id=account.id)
    before = _order_terms(order)
    terms = before.changed(
        quantity=command.quantity, limit_price=command.limit_price, stop_price=command.stop_price
    )
    reprice = terms.type.has_limit or terms.stop_price != before.stop_price
    price_cap = _cap(terms, ask=command.ask, ledger=ledger) if reprice else order.price_cap
    cover_before = order.cover
    charges = max(_charges_to_hold(terms, price_cap, ledger=ledger), total(tuple(order.charged.values())))
    order.replace(terms, price_cap=price_cap, charges_held=charges, at=ledger.now)
    if terms.is_buy:
        _hold_difference(account, order, change=order.cover - cover_before, ledger=ledger)
    else:
        _reserve_difference(order, before=before, ledger=ledger)
    return OrderAnswer.of(order)


def cancel(command: c.CancelOrder, ledger: Ledger) -> OrderAnswer:
    """Take back what is left of an order and release its cover."""
    order = ledger.order(command.order_id, account_id=command.account_id)
    order.cancel(command.reason, at=ledger.now)
    _release_cover(order, ledger=ledger)
    return OrderAnswer.of(order)


def expire(command: c.ExpireOrder, ledger: Ledger) -> OrderAnswer:
    """End a day order with its session and release its cover."""
    order = ledger.order(command.order_id, account_id=command.account_id)
    order.expire(command.reason, at=ledger.now)
    _release_cover(order, ledger=ledger)
    return OrderAnswer.of(order)


def _terms_of(command: c.PlaceOrder) -> OrderTerms:
    return OrderTerms.checked(
        symbol=command.symbol,
        side=command.side,
        type=command.type,
        quantity=command.quantity,
        time_in_force=command.time_in_force,
        limit_price=command.limit_price,
        stop_price=command.stop_price,
        client_order_id=command.client_order_id,
        **checked_lots(command.lot_method, command.lots),
    )


def _cap(terms: OrderTerms, *, ask: Price | None, ledger: Ledger) -> Price | None:
    price_cap = cap_on_price(terms, ask=ask, collar=ledger.rules.collar)
    if terms.is_buy and price_cap is None:
        raise SymbolMustBeQuoted(f"there is no offer for {terms.symbol} to go by")
    return price_cap


def _charges_to_hold(terms: OrderTerms, price_cap: Price | None, *, ledger: Ledger) -> Money:
    """The most a buy can be charged. A sale's charges come out of what it brings."""
    if price_cap is None:
        return NOTHING
    day, fees = ledger.dates.trade_date, ledger.rules.fees
    if not fees.in_force(day, terms.side):
        return NOTHING
    notional = terms.quantity * price_cap
    return fees.most(day=day, side=terms.side, quantity=terms.quantity, notional=notional)


def _set_aside(
    terms: OrderTerms,
    price_cap: Price | None,
    charges: Money,
    *,
    account: Account,
    order: Order,
    ledger: Ledger,
) -> None:
    if price_cap is not None:
        amount = rounded_up(terms.quantity * price_cap) + charges
        account.hold(amount, order_id=order.id, at=ledger.now)
    else:
        account.require_open()
        position = ledger.position(account.id, terms.symbol)
        position.reserve(
            terms.quantity,
            symbol=terms.symbol,
            order_id=order.id,
            lots=terms.chosen_lots,
            at=ledger.now,
        )


def _hold_difference(account: Account, order: Order, *, change: Price, ledger: Ledger) -> None:
    if change > NOTHING:
        account.hold(change, order_id=order.id, at=ledger.now)
    elif change < NOTHING:
        account.release(-change, order_id=order.id, is_open=True, at=ledger.now)


def _reserve_difference(order: Order, *, before: OrderTerms, ledger: Ledger) -> None:
    position = ledger.position(order.account_id, order.symbol)
    change = _order_terms(order).quantity - before.quantity
    if change > 0:
        position.reserve(change, symbol=order.symbol, order_id=order.id, at=ledger.now)
    else:
        position.release(-change, order_id=order.id, at=ledger.now)


def _release_cover(order: Order, *, ledger: Ledger) -> None:
    if _order_terms(order).is_buy:
        account = ledger.account(order.account_id)
        account.release(account.held_for(order.id), order_id=order.id, at=ledger.now)
    else:
        position = ledger.position(order.account_id, order.symbol)
        position.release(position.reserved_for(order.id), order_id=order.id, at=ledger.now)


def _order_terms(order: Order) -> OrderTerms:
    assert order.terms is not None, "an order is born with its terms"  # noqa: S101  a fault of ours
    return order.terms
