"""A split in one account: lots, holds, and the quantities and prices of resting orders, in one decision.

Orders are adjusted as FINRA Rule 5330 has it for stock splits, and beyond it: also limits to sell and stops to buy,
and for reverse splits, where the rule would cancel them. An order keeps what it asked for, in new shares.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec
from msgspec import UnsetType

from application import corporate as c
from application.answers import AccountAnswer
from application.ledger import Ledger
from domain.account import Account
from domain.order import Order
from domain.position import Position, SplitRatio, SplitReserve
from domain.terms import LotChoice, OrderTerms
from domain.values import LARGEST_PRICE, LARGEST_QUANTITY, NO_SHARES, NOTHING, TICK, Price, Quantity

REASON = "corporate_action"


def apply_split(command: c.ApplySplit, ledger: Ledger) -> AccountAnswer:
    """Split what the account had before the ex-date: shares first, then its orders; once for each action."""
    position = ledger.position(command.account_id, command.symbol)  # first: its facts are stored first
    account = ledger.account(command.account_id)
    orders = list(_open_orders(account, position, ledger=ledger))
    old = [order for order in orders if _is_before(order, command.effective_at)]
    if not position.is_split_by(command.action_id) and (old or position.has_lots_of(command.effective_at)):
        _cancel_uncounted([order for order in orders if order not in old], ledger=ledger)
        ratio = SplitRatio(numerator=command.numerator, denominator=command.denominator)
        wanted = [(order, _adjusted(order, ratio)) for order in old]
        _split(command, ratio, list(_reserves(wanted)), account=account, position=position, at=ledger.now)
        for order, adjusted in wanted:
            _adjust(order, adjusted, action=command, account=account, at=ledger.now)
    return AccountAnswer.of(account)


class Adjusted(msgspec.Struct, frozen=True):
    """An order after a split."""

    terms: OrderTerms
    price_cap: Price | None
    filled: Quantity

    @property
    def leaves(self) -> Quantity:
        """Shares still to trade."""
        return self.terms.quantity - self.filled


def _open_orders(account: Account, position: Position, *, ledger: Ledger) -> Iterator[Order]:
    """The account's open orders in the symbol: what they hold leads to them."""
    for order_id in (*account.holds, *position.reserves):
        order = ledger.order(order_id, account_id=account.id)
        if order.is_open and order.symbol == position.symbol:
            yield order


def _is_before(order: Order, moment: datetime) -> bool:
    return order.placed_at is not None and order.placed_at < moment


def _cancel_uncounted(orders: list[Order], *, ledger: Ledger) -> None:
    """Orders to sell that came in after the split and before it was applied go by shares not counted yet."""
    for order in orders:
        if order.terms is not None and not order.terms.is_buy:
            position = ledger.position(order.account_id, order.symbol)
            order.cancel(REASON, at=ledger.now)
            position.release(position.reserved_for(order.id), order_id=order.id, at=ledger.now)


def _split(
    command: c.ApplySplit,
    ratio: SplitRatio,
    reserves: list[SplitReserve],
    *,
    account: Account,
    position: Position,
    at: datetime,
) -> None:
    before = position.quantity
    position.split(
        ratio,
        action_id=command.action_id,
        symbol=command.symbol,
        reserves=reserves,
        acquired_before=command.effective_at,
        at=at,
    )
    if position.quantity != before:
        account.note_split(
            action_id=command.action_id,
            symbol=command.symbol,
            numerator=ratio.numerator,
            denominator=ratio.denominator,
            change=position.quantity - before,
            at=at,
        )
    if command.cash_in_lieu is not None and not ratio.is_whole:
        _cash_fraction(command, command.cash_in_lieu, account=account, position=position, at=at)


def _cash_fraction(
    command: c.ApplySplit, price: Price, *, account: Account, position: Position, at: datetime
) -> None:
    fraction = (
        sum((lot.quantity for lot in position.lots if lot.acquired_at < command.effective_at), NO_SHARES) % 1
    )
    if fraction:
        cash = position.cash_fraction(fraction, action_id=command.action_id, price=price, at=at)
        account.pay_cash_in_lieu(
            cash,
            action_id=command.action_id,
            symbol=command.symbol,
            quantity=fraction,
            price=price,
            at=at,
        )


def _adjusted(order: Order, ratio: SplitRatio) -> Adjusted | None:
    """The order in new shares; None when nothing is left of it, or more than an order can be."""
    terms = order.terms
    assert terms is not None, "an order is born with its terms"  # noqa: S101  a fault of ours
    filled, leaves = ratio.of(order.filled), ratio.of(order.leaves)
    if not ratio.is_whole:
        leaves = leaves.to_integral_value(ROUND_FLOOR).quantize(NO_SHARES)
    prices = [
        None if old is None else _price(old, ratio, is_buy=terms.is_buy)
        for old in (terms.limit_price, terms.stop_price, order.price_cap)
    ]
    if not leaves or filled + leaves > LARGEST_QUANTITY:
        return None
    if any(price is not None and not 0 < price <= LARGEST_PRICE for price in prices):
        return None
    new = msgspec.structs.replace(
        terms,
        quantity=filled + leaves,
        limit_price=prices[0],
        stop_price=prices[1],
        lots=_lots(terms, ratio),
    )
    return Adjusted(terms=new, price_cap=prices[2], filled=filled)


def _lots(terms: OrderTerms, ratio: SplitRatio) -> tuple[LotChoice, ...] | UnsetType:
    """The lots that the order names, in new shares: rounded up, so that together they suffice as before."""
    if isinstance(terms.lots, UnsetType):
        return terms.lots
    return tuple(
        LotChoice(
            lot_id=choice.lot_id,
            quantity=(choice.quantity * ratio.numerator / ratio.denominator).quantize(
                NO_SHARES, ROUND_CEILING
            ),
        )
        for choice in terms.lots
    )


def _price(old: Price, ratio: SplitRatio, *, is_buy: bool) -> Price:
    """The price in new shares, to 4 places; never worse for the customer than what was asked for."""
    exact = old * ratio.denominator / ratio.numerator
    return Decimal(exact).quantize(TICK, ROUND_FLOOR if is_buy else ROUND_CEILING)


def _reserves(wanted: list[tuple[Order, Adjusted | None]]) -> Iterator[SplitReserve]:
    for order, adjusted in wanted:
        if order.terms is not None and not order.terms.is_buy:
            after = NO_SHARES if adjusted is None else adjusted.leaves
            yield SplitReserve(order_id=order.id, before=order.leaves, after=after)


def _adjust(
    order: Order, adjusted: Adjusted | None, *, action: c.ApplySplit, account: Account, at: datetime
) -> None:
    """Change the order, or end it, and release what its hold no longer needs."""
    if adjusted is None:
        order.cancel(REASON, at=at)
    else:
        order.adjust(
            adjusted.terms,
            price_cap=adjusted.price_cap,
            filled=adjusted.filled,
            action_id=action.action_id,
            at=at,
        )
    surplus = account.held_for(order.id) - order.cover
    if surplus > NOTHING or not order.is_open:  # an order that is over holds nothing, not even 0.00
        account.release(surplus, order_id=order.id, is_open=order.is_open, at=at)
