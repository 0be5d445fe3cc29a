"""Every event in words a person understands. Names no person: events do not."""

from collections.abc import Callable
from typing import Any

from domain.account import Account
from domain.aggregate import Event
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Position
from domain.terms import OrderTerms


def describe(event: Event) -> str:
    """One sentence without a full stop, in the past tense, amounts in dollars."""
    return _WORDS[type(event)](event)


def describe_terms(terms: OrderTerms) -> str:
    """An order's terms, such as `buy 10 AAPL limit 150.25, gtc`."""
    words = [terms.side.value, _shares(terms.quantity), terms.symbol]
    if terms.stop_price is not None:
        words.append(f"stop {terms.stop_price}")
    if terms.limit_price is not None:
        words.append(f"limit {terms.limit_price}")
    if terms.stop_price is None and terms.limit_price is None:
        words.append(terms.type.value)
    return " ".join(words) + f", {terms.time_in_force.value}"


def _shares(quantity: Any) -> str:
    return f"{quantity:f}".rstrip("0").rstrip(".")


_WORDS: dict[type[Event], Callable[[Any], str]] = {
    Account.Opened: lambda e: f"Opened the account in {e.currency}",
    Account.Deposited: lambda e: f"Deposited {e.amount}",
    Account.Withdrawn: lambda e: f"Withdrew {e.amount}",
    Account.FundsHeld: lambda e: f"Held {e.amount} for order {e.order_id}",
    Account.FundsReleased: lambda e: f"Released {e.amount} held for order {e.order_id}",
    Account.PurchaseDebited: lambda e: (
        f"Paid {e.amount} for {_shares(e.quantity)} {e.symbol} at {e.price}; {e.released} of the hold ended"
    ),
    Account.SaleCredited: lambda e: f"Received {e.amount} for {_shares(e.quantity)} {e.symbol} at {e.price}",
    Account.Suspended: lambda e: f"Suspended the account: {e.reason}",
    Account.Reinstated: lambda e: f"Reinstated the account: {e.reason}",
    Account.Closed: lambda _: "Closed the account",
    Erasure.Certified: lambda e: (
        f"Erased the person of user {e.user_id}: {', '.join(f'{n} {what}' for what, n in sorted(e.erased.items()))}"
    ),
    Order.Placed: lambda e: f"Placed an order to {describe_terms(e.terms)}",
    Order.Rejected: lambda e: f"Rejected an order to {describe_terms(e.terms)}: {e.reason} ({e.detail})",
    Order.Accepted: lambda e: f"Order accepted by {e.venue}",
    Order.Triggered: lambda e: f"Stop elected by the {e.elected_by} at {e.price} (quote {e.quote})",
    Order.Executed: lambda e: (
        f"Executed {_shares(e.quantity)} at {e.price} on {e.venue}, {_shares(e.leaves_quantity)} left"
        f" (quote {e.quote})"
    ),
    Order.Replaced: lambda e: f"Replaced the order's terms by {describe_terms(e.terms)}",
    Order.Cancelled: lambda e: f"Cancelled the remaining {_shares(e.leaves_quantity)} shares: {e.reason}",
    Order.Expired: lambda e: f"Expired with {_shares(e.leaves_quantity)} shares left: {e.reason}",
    Position.SharesReserved: lambda e: f"Reserved {_shares(e.quantity)} {e.symbol} for order {e.order_id}",
    Position.SharesReleased: lambda e: f"Released {_shares(e.quantity)} {e.symbol} of order {e.order_id}",
    Position.LotOpened: lambda e: f"Took in {_shares(e.lot.quantity)} {e.symbol} at a cost of {e.lot.cost}",
    Position.LotsRelieved: lambda e: (
        f"Gave out {_shares(e.quantity)} {e.symbol} from {len(e.relieved)} lot(s), profit {e.profit}"
    ),
}
