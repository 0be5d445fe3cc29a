"""Every event in words a person understands. Names no person: events do not."""

from collections.abc import Callable
from typing import Any

from domain.account import Account
from domain.aggregate import Event
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.terms import OrderTerms
from domain.transfer import Transfer


def describe(event: Event) -> str:
    """One sentence without a full stop, in the past tense, amounts in dollars."""
    return _WORDS[type(event)](event)


def describe_terms(terms: OrderTerms) -> str:
    """An order's terms, such as `buy 10 AAPL limit 150.25, gtc`."""
    words = [terms.side.value, _shares(terms.quantity), terms.symbol]
    if terms.stop_price is not None:
        words.append(f"stop {terms.stop_price!s}")
    if terms.limit_price is not None:
        words.append(f"limit {terms.limit_price!s}")
    if terms.stop_price is None and terms.limit_price is None:
        words.append(terms.type.value)
    return " ".join(words) + f", {terms.time_in_force.value}"


def _shares(quantity: Any) -> str:
    text = str(quantity)
    return (f"{quantity:f}" if "E" in text else text).rstrip("0").rstrip(".")


def _repaid(event: Any) -> str:
    return f", {event.repaid} of it for what was owed" if event.repaid else ""


def _until(event: Any) -> str:
    return "" if event.until is None else f" until {event.until:%Y-%m-%d %H:%M:%S} UTC"


def _alert(event: Any) -> str:
    about = "" if event.symbol is None else f" in {event.symbol}"
    figures = ", ".join(f"{name} {value.normalize():f}" for name, value in event.figures.items())
    return f"Surveillance found {event.kind.value}{about} on {event.day}: {figures}"


def _dividend(what: Any) -> str:
    return f"{what.rate.normalize():f} for each of {_shares(what.quantity)} {what.symbol}"


def _withheld(event: Any) -> str:
    return f", {event.withheld} withheld" if event.withheld else ""


def _reversal(event: Any) -> str:
    return f"Reversed what had been recorded on {event.effective_on}: {event.reason} ({describe(event.original)})"


_WORDS: dict[type[Event], Callable[[Any], str]] = {
    Account.Opened: lambda e: f"Opened the account in {e.currency}",
    Account.Deposited: lambda e: f"Deposited {e.amount!s}{_repaid(e)}",
    Account.Withdrawn: lambda e: f"Withdrew {e.amount!s}",
    Account.LotMethodChosen: lambda e: (
        f"Chose {e.method.value} as the method by which sales choose their lots"
    ),
    Account.WithdrawalHeld: lambda e: f"Held {e.amount} for a withdrawal",
    Account.WithdrawalReleased: lambda e: f"Released {e.amount} held for a withdrawal",
    Account.WithdrawalPutBack: lambda e: f"Put back a withdrawal of {e.amount}{_repaid(e)}",
    Account.DepositTakenBack: lambda e: (
        f"Took back a deposit of {e.amount}" + (f", {e.owed} of it owed" if e.owed else "")
    ),
    Account.FundsHeld: lambda e: f"Held {e.amount!s} for order {e.order_id!s}",
    Account.FundsReleased: lambda e: f"Released {e.amount!s} held for order {e.order_id!s}",
    Account.PurchaseDebited: lambda e: (
        f"Paid {e.amount!s} for {_shares(e.quantity)} {e.symbol} at {e.price!s}; {e.released!s} of the hold ended"
    ),
    Account.SaleCredited: lambda e: (
        f"Received {e.amount!s} for {_shares(e.quantity)} {e.symbol} at {e.price!s}"
    ),
    Account.Settled: lambda e: (
        f"Settled the trades due on {e.settles_on}: received {e.due.proceeds}, paid {e.due.purchases}"
    ),
    Account.GoodFaithViolated: lambda e: (
        f"Sold {_shares(e.quantity)} {e.symbol} before the sale that had paid for them settled on {e.paid_on}"
    ),
    Account.Suspended: lambda e: f"Suspended the account{_until(e)}: {e.reason}",
    Account.Reinstated: lambda e: f"Reinstated the account: {e.reason}",
    Account.Closed: lambda _: "Closed the account",
    Account.DividendEntitled: lambda e: (
        f"Will receive {e.entitlement.gross} on {e.entitlement.pay_date}: {_dividend(e.entitlement)}"
    ),
    Account.DividendPaid: lambda e: f"Received {e.amount}: {_dividend(e)}{_withheld(e)}",
    Account.InterestPaid: lambda e: (
        f"Received {e.amount}: interest on cash from {e.first_day} to {e.last_day}{_withheld(e)}"
    ),
    Account.SharesSplit: lambda e: (
        f"Split {e.symbol} {e.numerator}:{e.denominator}: {_shares(e.before)} shares became {_shares(e.after)}"
    ),
    Account.CashInLieuPaid: lambda e: (
        f"Received {e.amount} in lieu of {_shares(e.quantity)} {e.symbol} at {e.price}"
    ),
    Account.Reversed: _reversal,
    Erasure.Certified: lambda e: (
        f"Erased the person of user {e.user_id}: {', '.join(f'{n} {what}' for what, n in sorted(e.erased.items()))}"
    ),
    Case.Opened: _alert,
    Case.Assigned: lambda e: f"Assigned the case to user {e.assignee_id}",
    Case.Noted: lambda e: f"Noted in the case: {e.text.rstrip('.')}",
    Case.Closed: lambda e: f"Closed the case as {e.resolution.value}: {e.reason.rstrip('.')}",
    Order.Placed: lambda e: f"Placed an order to {describe_terms(e.terms)}",
    Order.Rejected: lambda e: f"Rejected an order to {describe_terms(e.terms)}: {e.reason} ({e.detail})",
    Order.Accepted: lambda e: f"Order accepted by {e.venue}",
    Order.Triggered: lambda e: f"Stop elected by the {e.elected_by} at {e.price!s} (quote {e.quote})",
    Order.Executed: lambda e: (
        f"Executed {_shares(e.quantity)} at {e.price!s} on {e.venue}, {_shares(e.leaves_quantity)} left"
        f" (quote {e.quote})"
    ),
    Order.Replaced: lambda e: f"Replaced the order's terms by {describe_terms(e.terms)}",
    Order.Adjusted: lambda e: f"Adjusted the order for a split to {describe_terms(e.terms)}",
    Order.Cancelled: lambda e: f"Cancelled the remaining {_shares(e.leaves_quantity)} shares: {e.reason}",
    Order.Expired: lambda e: f"Expired with {_shares(e.leaves_quantity)} shares left: {e.reason}",
    Order.Reversed: _reversal,
    Transfer.Initiated: lambda e: (
        f"Asked the bank for a {e.direction.value} of {e.amount} by {e.due_at:%Y-%m-%d %H:%M} UTC"
    ),
    Transfer.Completed: lambda _: "The bank completed the transfer",
    Transfer.Failed: lambda e: f"The bank did not do the transfer: {e.reason}",
    Transfer.Returned: lambda e: f"The bank returned a {e.direction.value} of {e.amount}: {e.reason}",
    Position.WashSaleDisallowed: lambda e: (
        f"Disallowed {e.disallowed} of the loss on {_shares(e.quantity)} {e.symbol} sold on {e.sold_on}:"
        " shares bought near it have replaced them"
    ),
    Position.SharesReserved: lambda e: f"Reserved {_shares(e.quantity)} {e.symbol} for order {e.order_id!s}",
    Position.SharesReleased: lambda e: f"Released {_shares(e.quantity)} {e.symbol} of order {e.order_id!s}",
    Position.LotOpened: lambda e: f"Took in {_shares(e.lot.quantity)} {e.symbol} at a cost of {e.lot.cost!s}",
    Position.LotsRelieved: lambda e: (
        f"Gave out {_shares(e.quantity)} {e.symbol} from {len(e.relieved)} lot(s), profit {e.profit!s}"
    ),
    Position.Reversed: _reversal,
    Position.Split: lambda e: (
        f"Split {_shares(e.before)} {e.symbol} {e.numerator}:{e.denominator} into {_shares(e.after)}"
        f" in {len(e.lots)} lot(s)"
    ),
    Position.FractionCashed: lambda e: (
        f"Gave out {_shares(e.quantity)} {e.symbol} left by a split for {e.cash}, profit {e.profit}"
    ),
    CorporateAction.DividendAnnounced: lambda e: (
        f"Announced a dividend of {e.rate.normalize():f} a share of {e.symbol}, ex-date {e.ex_date},"
        f" record date {e.record_date}, pay date {e.pay_date}"
    ),
    CorporateAction.SplitAnnounced: lambda e: (
        f"Announced a split of {e.symbol} {e.numerator}:{e.denominator}, ex-date {e.ex_date}"
        + ("" if e.cash_in_lieu is None else f", fractions paid at {e.cash_in_lieu} a share")
    ),
    CorporateAction.Begun: lambda _: "Began to apply the corporate action",
    CorporateAction.EntitlementsFixed: lambda e: (
        f"Found {e.accounts} accounts with {_shares(e.quantity)} shares, to be paid {e.amount}"
    ),
    CorporateAction.Completed: lambda e: f"Completed the corporate action in {e.accounts} accounts",
    CorporateAction.Cancelled: lambda e: f"Cancelled the corporate action: {e.reason}",
    InterestPeriod.Begun: lambda e: f"Began to pay interest for {e.first_day} to {e.last_day}",
    InterestPeriod.Paid: lambda e: f"Paid {e.amount} of interest to {e.accounts} accounts",
}
