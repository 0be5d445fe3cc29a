"""Double entry: what every event books, in three sets of books.

    C   the customer's: what each owns, owes and earns; shares as lots at cost
    F   the firm's: what it owes customers and the street, and what it earns
    S   the stock record, in shares: who owns each share, and where it lies

`postings(event)` is a pure function, total over every kind of event. The lines of one event come to zero in
each book and commodity (lots weigh what they cost). Debits are positive, credits negative. Which accounts
there are, and which event books what, is told in docs/accounting.md.
"""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from msgspec.structs import replace

from domain.account import Account
from domain.case import Case
from domain.chart import (
    COMMISSION_INCOME,
    CREDIT_INTEREST,
    CUSTOMERS_BANK,
    FIRMS_BANK,
    ROUNDING_INCOME,
    STREET_PAYABLE,
    STREET_RECEIVABLE,
    TAX_WITHHELD,
    at_clearing,
    at_depository,
    charged,
    collected,
    debt,
    debt_due,
    dividends,
    free,
    free_credit,
    held_for_orders,
    held_for_settlement,
    held_for_withdrawal,
    interest,
    outside,
    owned_free,
    owned_held,
    payable,
    realised,
    receivable,
    shares_at_cost,
    stock,
    unsettled_payable,
    unsettled_receivable,
    withheld,
)
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Lot, Position, Relief, SplitLot
from domain.posting import (
    USD,
    Book,
    Lines,
    LotTag,
    Posting,
    booked_on,
    booking_kinds,
    books,
    books_nothing,
    effective_on,
    has_rule,
    imbalance,
    postings,
    quiet_kinds,
)
from domain.reversal import Reversal
from domain.tax import Term, shares_of, term_of
from domain.trade import COMMISSION, Charge, fees_of, total
from domain.transfer import Transfer
from domain.values import NOTHING, Money, Quantity

__all__ = [
    "USD",
    "Book",
    "LotTag",
    "Posting",
    "booked_on",
    "booking_kinds",
    "books",
    "books_nothing",
    "effective_on",
    "has_rule",
    "imbalance",
    "postings",
    "quiet_kinds",
]

# What each event books.


@books(Account.Deposited)
def _(e: Account.Deposited) -> Lines:
    yield from _came_in(e.account_id, e.amount, repaid=e.repaid)


@books(Account.WithdrawalPutBack)
def _(e: Account.WithdrawalPutBack) -> Lines:
    yield from _came_in(e.account_id, e.amount, repaid=e.repaid)


@books(Account.Withdrawn)
def _(e: Account.Withdrawn) -> Lines:
    paid_from = held_for_withdrawal if e.held else free
    yield from customer((outside(e.account_id), e.amount), (paid_from(e.account_id), -e.amount))
    yield from firm((free_credit(e.account_id), e.amount), (CUSTOMERS_BANK, -e.amount))


@books(Account.WithdrawalHeld)
def _(e: Account.WithdrawalHeld) -> Lines:
    yield from customer((held_for_withdrawal(e.account_id), e.amount), (free(e.account_id), -e.amount))


@books(Account.WithdrawalReleased)
def _(e: Account.WithdrawalReleased) -> Lines:
    yield from customer((free(e.account_id), e.amount), (held_for_withdrawal(e.account_id), -e.amount))


@books(Account.DepositTakenBack)
def _(e: Account.DepositTakenBack) -> Lines:
    # What the customer no longer has, the firm gives the bank out of its own pocket, never out of other customers'.
    who, taken = e.account_id, e.amount - e.owed
    yield from customer((outside(who), e.amount), (free(who), -taken), (debt(who), -e.owed))
    yield from firm((free_credit(who), taken), (CUSTOMERS_BANK, -taken))
    yield from firm((debt_due(who), e.owed), (FIRMS_BANK, -e.owed))


@books(Account.FundsHeld)
def _(e: Account.FundsHeld) -> Lines:
    yield from customer((held_for_orders(e.account_id), e.amount), (free(e.account_id), -e.amount))


@books(Account.FundsReleased)
def _(e: Account.FundsReleased) -> Lines:
    yield from customer((free(e.account_id), e.amount), (held_for_orders(e.account_id), -e.amount))


@books(Account.PurchaseDebited)
def _(e: Account.PurchaseDebited) -> Lines:
    yield from customer(
        (held_for_orders(e.account_id), -e.released),
        (held_for_settlement(e.account_id), e.amount),
        (free(e.account_id), e.released - e.amount),
    )


@books(Position.LotOpened)
def _(e: Position.LotOpened) -> Lines:
    who, cost = e.account_id, e.lot.cost
    street = cost if e.street is None else e.street
    yield at_cost(who, e.symbol, e.lot)
    yield from customer((payable(who), -cost))
    yield from firm((unsettled_receivable(who), cost), (STREET_PAYABLE, -street))
    yield from _earned(e.charges, rounding=cost - street - total(e.charges))
    yield from stock_record(
        e.symbol, (at_clearing(e.symbol), e.lot.quantity), (owned_free(who, e.symbol), -e.lot.quantity)
    )


@books(Position.LotsRelieved)
def _(e: Position.LotsRelieved) -> Lines:
    who, gross = e.account_id, e.proceeds + total(e.charges)
    street = e.proceeds if e.street is None else e.street
    yield from (at_cost(who, e.symbol, relief, sign=-1) for relief in e.relieved)
    yield from customer((receivable(who), e.proceeds))
    yield from customer(*((charged(who, charge.name), charge.amount) for charge in e.charges))
    for relief, gain in gains(e.relieved, gross):
        yield from customer((realised(who, _term(relief, e.sold_on)), -gain))
    yield from firm((STREET_RECEIVABLE, street), (unsettled_payable(who), -e.proceeds))
    yield from _earned(e.charges, rounding=street - gross)
    yield from stock_record(
        e.symbol, (owned_held(who, e.symbol), e.quantity), (at_clearing(e.symbol), -e.quantity)
    )


@books(Position.SharesReserved)
def _(e: Position.SharesReserved) -> Lines:
    yield from stock_record(
        e.symbol,
        (owned_free(e.account_id, e.symbol), e.quantity),
        (owned_held(e.account_id, e.symbol), -e.quantity),
    )


@books(Position.SharesReleased)
def _(e: Position.SharesReleased) -> Lines:
    yield from stock_record(
        e.symbol,
        (owned_held(e.account_id, e.symbol), e.quantity),
        (owned_free(e.account_id, e.symbol), -e.quantity),
    )


@books(Account.Settled)
def _(e: Account.Settled) -> Lines:
    who, due = e.account_id, e.due
    yield from customer((payable(who), due.purchases), (held_for_settlement(who), -due.purchases))
    yield from customer((free(who), due.proceeds), (receivable(who), -due.proceeds))
    yield from firm(
        (free_credit(who), due.purchases),
        (unsettled_receivable(who), -due.purchases),
        (STREET_PAYABLE, due.street_owed),
        (CUSTOMERS_BANK, -due.purchases),
        (FIRMS_BANK, due.purchases - due.street_owed),
    )
    # The regulators' part comes with the street's money, and stays with the customers' until it is paid on.
    yield from firm(
        (unsettled_payable(who), due.proceeds),
        (free_credit(who), -due.proceeds),
        (STREET_RECEIVABLE, -due.street_due),
        (CUSTOMERS_BANK, due.proceeds + due.fees),
        (FIRMS_BANK, due.street_due - due.proceeds - due.fees),
    )
    for symbol, quantity in due.bought.items():
        yield from stock_record(symbol, (at_depository(symbol), quantity), (at_clearing(symbol), -quantity))
    for symbol, quantity in due.sold.items():
        yield from stock_record(symbol, (at_clearing(symbol), quantity), (at_depository(symbol), -quantity))


@books(Account.DividendPaid)
def _(e: Account.DividendPaid) -> Lines:
    yield from _income(e, dividends(e.account_id))
    yield from firm((CUSTOMERS_BANK, e.gross))


@books(Account.InterestPaid)
def _(e: Account.InterestPaid) -> Lines:
    yield from _income(e, interest(e.account_id))
    yield from firm((CREDIT_INTEREST, e.gross), (CUSTOMERS_BANK, e.gross), (FIRMS_BANK, -e.gross))


@books(Account.CashInLieuPaid)
def _(e: Account.CashInLieuPaid) -> Lines:
    yield from firm((CUSTOMERS_BANK, e.amount), (free_credit(e.account_id), -e.amount))


@books(Position.Split)
def _(e: Position.Split) -> Lines:
    who, more = e.account_id, e.after - e.before
    for lot in e.lots:
        yield _split_lot(who, e.symbol, lot, quantity=-lot.before, cost=-lot.cost)
        yield _split_lot(who, e.symbol, lot, quantity=lot.after, cost=lot.cost)
    yield from stock_record(
        e.symbol,
        (at_depository(e.symbol), more),
        (owned_free(who, e.symbol), e.held_more - more),
        (owned_held(who, e.symbol), -e.held_more),
    )


@books(Position.FractionCashed)
def _(e: Position.FractionCashed) -> Lines:
    who = e.account_id
    yield from (at_cost(who, e.symbol, relief, sign=-1) for relief in e.relieved)
    yield from customer((free(who), e.cash))
    for relief, gain in gains(e.relieved, e.cash):
        yield from customer((realised(who, _term(relief, e.recorded_at.date())), -gain))
    yield from stock_record(
        e.symbol, (owned_free(who, e.symbol), e.quantity), (at_depository(e.symbol), -e.quantity)
    )


@books(Position.WashSaleDisallowed)
def _(e: Position.WashSaleDisallowed) -> Lines:
    who, lot = e.account_id, e.lot
    before = Relief(lot_id=e.replacement_id, quantity=e.quantity, cost=e.cost, acquired_at=lot.acquired_at)
    yield at_cost(who, e.symbol, before, sign=-1)
    yield at_cost(who, e.symbol, lot)
    yield from customer((realised(who, "WashDisallowed"), -e.disallowed))


@books(Account.Reversed)
def _(e: Account.Reversed) -> Lines:
    return _mirrored(e)


@books(Position.Reversed)
def _(e: Position.Reversed) -> Lines:
    return _mirrored(e)


books_nothing(Account.LotMethodChosen)
books_nothing(Account.DividendEntitled)  # the money is not there before the pay date
books_nothing(Account.SharesSplit)  # its shares are booked lot by lot: see Position.Split
books_nothing(*CorporateAction.FACTS, *InterestPeriod.FACTS)  # what they do is done account by account
books_nothing(Account.Opened, Account.Suspended, Account.Reinstated, Account.Closed)
books_nothing(Account.GoodFaithViolated)
books_nothing(Account.SaleCredited)  # its money is due with the shares: see Position.LotsRelieved
books_nothing(*Transfer.FACTS)  # the money moves with the account's own facts
books_nothing(*Erasure.FACTS)  # whom it is about has closed the account, which is empty
books_nothing(*Case.FACTS)  # a case is about an account and moves nothing of it
books_nothing(*Order.FACTS)  # an order moves nothing: what covers and fills it has facts of its own


# Lines, and what goes into them.


def _mirrored(reversal: Reversal) -> Lines:
    """Every line of what is taken back, with the opposite sign."""
    for line in postings(reversal.original):
        yield replace(line, amount=-line.amount, cost=None if line.cost is None else -line.cost)


def customer(*lines: tuple[str, Money]) -> Lines:
    """Lines of the customer's book, in dollars."""
    return (Posting(book=Book.CUSTOMER, account=name, commodity=USD, amount=usd) for name, usd in lines)


def firm(*lines: tuple[str, Money]) -> Lines:
    """Lines of the firm's book, in dollars."""
    return (Posting(book=Book.FIRM, account=name, commodity=USD, amount=usd) for name, usd in lines)


def stock_record(symbol: str, *lines: tuple[str, Quantity]) -> Lines:
    """Lines of the stock record, in shares."""
    commodity = stock(symbol)
    return (Posting(book=Book.STOCK, account=name, commodity=commodity, amount=n) for name, n in lines)


def at_cost(account_id: UUID, symbol: str, part: Lot | Relief, *, sign: int = 1) -> Posting:
    """The line that puts a lot, or a part of one, into a position (`sign` 1), or takes it out (-1)."""
    return Posting(
        book=Book.CUSTOMER,
        account=shares_at_cost(account_id, symbol),
        commodity=symbol,
        amount=sign * part.quantity,
        cost=sign * part.cost,
        lot=LotTag(part.lot_id, part.acquired_at),
    )


def gains(relieved: tuple[Relief, ...], gross: Money) -> Iterator[tuple[Relief, Money]]:
    """Each relieved lot with its gain before charges; the last lot takes what rounding leaves."""
    parts = shares_of(gross, [relief.quantity for relief in relieved])
    for relief, part in zip(relieved, parts, strict=True):
        yield relief, part - relief.cost


def _term(relief: Relief, sold_on: date) -> str:
    """The account of a gain: ShortTerm or LongTerm."""
    return "LongTerm" if term_of(relief.owned_since, sold_on) is Term.LONG else "ShortTerm"


def _came_in(who: UUID, amount: Money, *, repaid: Money) -> Lines:
    """Money from outside; what repays a debt is the firm's."""
    kept = amount - repaid
    yield from customer((free(who), kept), (debt(who), repaid), (outside(who), -amount))
    yield from firm((CUSTOMERS_BANK, kept), (free_credit(who), -kept))
    yield from firm((FIRMS_BANK, repaid), (debt_due(who), -repaid))


def _income(e: Account.DividendPaid | Account.InterestPaid, source: str) -> Lines:
    """What came into the cash and what was withheld of it; the firm owes both, the second to the tax office."""
    who = e.account_id
    yield from customer((free(who), e.amount), (withheld(who), e.withheld), (source, -e.gross))
    yield from firm((free_credit(who), -e.amount), (TAX_WITHHELD, -e.withheld))


def _split_lot(account_id: UUID, symbol: str, lot: SplitLot, *, quantity: Quantity, cost: Money) -> Posting:
    return Posting(
        book=Book.CUSTOMER,
        account=shares_at_cost(account_id, symbol),
        commodity=symbol,
        amount=quantity,
        cost=cost,
        lot=LotTag(lot.lot_id, lot.acquired_at),
    )


def _earned(charges: tuple[Charge, ...], *, rounding: Money) -> Lines:
    """The firm's own part of a trade, and what it collects for others."""
    commission = total(charges) - fees_of(charges) if charges else NOTHING
    yield from firm((COMMISSION_INCOME, -commission), (ROUNDING_INCOME, -rounding))
    yield from firm(*((collected(c.name), -c.amount) for c in charges if c.name != COMMISSION))
