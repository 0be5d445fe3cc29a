"""What must always hold of the books: rules over what one customer's accounts come to after a command.

Every account of the firm is kept customer by customer as well, so each rule can be looked at for one customer
alone; what holds for each holds for all together. Broker's bookkeeping knows these as balance (double entry),
mirror (sub-ledger against general ledger), stock record, and segregation of customers' money (17 CFR 240.15c3-3).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache

from msgspec import Struct

from domain.account import Account
from domain.chart import segment
from domain.journal import USD, Book, Posting
from domain.position import Position
from domain.values import NOTHING, Money, Quantity

NOUGHT = Decimal(0)


class Sum(Struct, frozen=True, array_like=True, gc=False):
    """What an account comes to: dollars or shares, and for shares in lots what they have cost."""

    amount: Decimal
    cost: Decimal | None = None


Balances = Mapping[str, Sum]
"""What a customer's accounts come to, by `name_in`: book, account without the customer's id, commodity."""


def name_in(line: Posting, who: str) -> str:
    """What a line's account is called among the balances of the customer `who`."""
    return f"{line.book} {line.account.replace(who, '')} {line.commodity}"


def moved(balances: dict[str, Sum], line: Posting, who: str) -> Sum:
    """Add a line to the balances of the customer `who`; accounts that come to nothing are left out."""
    name = name_in(line, who)
    before = balances.get(name)
    if before is None:
        after = Sum(line.amount, line.cost)
    else:
        cost = line.cost if before.cost is None else before.cost + (line.cost or NOUGHT)
        after = Sum(before.amount + line.amount, cost)
    if after.amount or after.cost:
        balances[name] = after
    else:
        balances.pop(name, None)
    return after


class Broken(Struct, frozen=True, kw_only=True):
    """A rule that does not hold: which, about which accounts, what must be and what was found."""

    rule: str
    accounts: tuple[str, ...]
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {', '.join(self.accounts)} must be {self.expected}, found {self.found}"


class _Role(Struct, frozen=True, gc=False):
    """What part an account plays in the rules."""

    book: str
    account: str
    commodity: str
    is_claim: bool  # what the customer has in cash or owes, or the firm's account of the same
    is_segregated: bool  # customers' money, and what it is owed to
    units_of: str  # the symbol whose shares it counts, at cost or in the stock record
    sign: int  # 1 when it may never be below zero, -1 when never above


_HELD = ("Assets:Cust:C:Cash:HeldOrders", "Assets:Cust:C:Cash:HeldWithdraw")
# What has yet to settle may stand on the other side: an execution that had settled was reversed, and goes back.
_NEVER_BELOW = (*_HELD, "Assets:Cust:C:Pos:")
_NEVER_ABOVE = ("Liabilities:Cust:C:Owed", "Liabilities:SR:Cust:C:", "Liabilities:Firm:RegFees:")
_SEGREGATED = ("Assets:Firm:Bank:FBO", "Liabilities:Firm:Cust:C:FreeCredit", "Liabilities:Firm:RegFees:")
_SEGREGATED_TAX = "Liabilities:Firm:Tax:"


@cache
def _role(name: str) -> _Role:
    book, account, commodity = name.split(" ")
    is_own = book == Book.CUSTOMER and account.startswith(("Assets:", "Liabilities:")) and commodity == USD
    is_mirror = book == Book.FIRM and ":Firm:Cust:C:" in account
    return _Role(
        book=book,
        account=account,
        commodity=commodity,
        is_claim=is_own or is_mirror,
        is_segregated=account.startswith((*_SEGREGATED, _SEGREGATED_TAX)),
        units_of=_units_of(book, account, commodity),
        sign=1 if account.startswith(_NEVER_BELOW) else -1 if account.startswith(_NEVER_ABOVE) else 0,
    )


def _units_of(book: str, account: str, commodity: str) -> str:
    if book == Book.CUSTOMER and ":Pos:" in account:
        return commodity
    return commodity.removeprefix("SR-") if account.startswith("Liabilities:SR:Cust:") else ""


def broken(
    balances: Balances, *, account: Account | None, positions: Iterable[Position] = ()
) -> Iterator[Broken]:
    """Rules that do not hold of a customer's balances; with the aggregates also those about them."""
    yield from _unbalanced(balances)
    yield from _unmirrored(balances)
    yield from _units_apart(balances)
    yield from _out_of_range(balances)
    yield from _unsegregated(balances, account)
    yield from _unpaid_apart(balances)
    if account is not None:
        yield from _owned_apart(balances, account)
        yield from _set_aside_apart(balances, account)
        yield from cash_apart(
            balances,
            cash=account.cash,
            held=account.held,
            unsettled=account.unsettled_proceeds,
            withdrawing=account.withdrawing,
            owed=account.owed,
        )
    for one in positions:
        yield from shares_apart(
            balances, one.symbol, quantity=one.quantity, reserved=one.reserved, cost=one.cost
        )


def _unbalanced(balances: Balances) -> Iterator[Broken]:
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for name, one in balances.items():
        role = _role(name)
        if one.cost is None:
            sums[role.book, role.commodity] += one.amount
        else:
            sums[role.book, USD] += one.cost
    for (book, commodity), found in sums.items():
        if found:
            rule = "stock_record" if book == Book.STOCK else "book_balances"
            yield Broken(
                rule=rule, accounts=(f"book {book} in {commodity}",), expected="0", found=f"{found:f}"
            )


def _unmirrored(balances: Balances) -> Iterator[Broken]:
    claims = [(name, one.amount) for name, one in balances.items() if _role(name).is_claim]
    apart = sum((amount for _, amount in claims), NOUGHT)
    if apart:
        yield Broken(rule="mirror", accounts=_told(claims), expected="0 together", found=f"{apart:f}")


def _units_apart(balances: Balances) -> Iterator[Broken]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for name, one in balances.items():
        symbol = _role(name).units_of
        if symbol:
            sums[symbol] += one.amount
    for symbol, apart in sums.items():
        if apart:
            parts = [(name, one.amount) for name, one in balances.items() if _role(name).units_of == symbol]
            yield Broken(
                rule="shares_are_on_record", accounts=_told(parts), expected="0 together", found=f"{apart:f}"
            )


def _out_of_range(balances: Balances) -> Iterator[Broken]:
    for name, one in balances.items():
        sign = _role(name).sign
        if sign and (one.amount * sign < 0 or (one.cost or NOUGHT) * sign < 0):
            expected = "at least 0" if sign > 0 else "at most 0"
            yield Broken(
                rule="sign", accounts=_told([(name, one.amount)]), expected=expected, found=_said(one)
            )


def _unsegregated(balances: Balances, account: Account | None) -> Iterator[Broken]:
    """Customers' money is all in their bank: what is owed them and for them, but what sales have yet to bring."""
    parts = [(name, one.amount) for name, one in balances.items() if _role(name).is_segregated]
    apart = sum((amount for _, amount in parts), NOUGHT)
    if account is not None:
        due = -sum((one.fees for one in account.unsettled.values()), NOTHING)
        if apart != due:
            yield Broken(
                rule="segregation", accounts=_told(parts), expected=f"{due:f} together", found=f"{apart:f}"
            )
        return
    due = balances.get("F Assets:Firm:Street:NSCC-Receivable USD", Sum(NOUGHT)).amount
    if not min(-due, NOUGHT) <= apart <= max(-due, NOUGHT):
        expected = f"0 together, or off by at most the {due:f} that sales have yet to bring, or take back"
        yield Broken(rule="segregation", accounts=_told(parts), expected=expected, found=f"{apart:f}")


def _unpaid_apart(balances: Balances) -> Iterator[Broken]:
    """Cash is set aside for exactly what has yet to be paid: a cash account buys nothing on credit."""
    names = ("C Assets:Cust:C:Cash:HeldSettle USD", "C Liabilities:Cust:C:Unsettled:Payable USD")
    parts = [(name, _amount(balances, name)) for name in names]
    apart = sum((amount for _, amount in parts), NOUGHT)
    if apart:
        yield Broken(
            rule="purchases_are_covered", accounts=_told(parts), expected="0 together", found=f"{apart:f}"
        )


def _set_aside_apart(balances: Balances, account: Account) -> Iterator[Broken]:
    due = sum((one.purchases for one in account.unsettled.values()), NOTHING)
    yield from _unequal("purchases_are_the_accounts", balances, {"C Assets:Cust:C:Cash:HeldSettle USD": due})


def _owned_apart(balances: Balances, account: Account) -> Iterator[Broken]:
    for symbol in symbols_in(balances) | set(account.shares):
        wanted = {f"C Assets:Cust:C:Pos:{segment(symbol)} {symbol}": account.shares.get(symbol, NOUGHT)}
        yield from _unequal("shares_are_the_accounts", balances, wanted)


def cash_apart(
    balances: Balances, *, cash: Money, held: Money, unsettled: Money, withdrawing: Money, owed: Money
) -> Iterator[Broken]:
    """Where a customer's cash in the books is not what somebody else says it is."""
    name = "C Assets:Cust:C:Cash:"
    wanted = {
        f"{name}Free USD": cash - held - unsettled - withdrawing,
        f"{name}HeldOrders USD": held,
        f"{name}HeldWithdraw USD": withdrawing,
        "C Assets:Cust:C:Unsettled:Receivable USD": unsettled,
        "C Liabilities:Cust:C:Owed USD": -owed,
    }
    yield from _unequal("cash_is_the_accounts", balances, wanted)


def shares_apart(
    balances: Balances, symbol: str, *, quantity: Quantity, reserved: Quantity, cost: Money
) -> Iterator[Broken]:
    """Where a customer's shares of a symbol are not what somebody else says they are."""
    part = segment(symbol)
    name = f"C Assets:Cust:C:Pos:{part} {symbol}"
    wanted = {
        name: quantity,
        f"S Liabilities:SR:Cust:C:{part}:Free SR-{symbol}": reserved - quantity,
        f"S Liabilities:SR:Cust:C:{part}:HeldOrders SR-{symbol}": -reserved,
    }
    yield from _unequal("shares_are_the_positions", balances, wanted)
    found = balances.get(name, Sum(NOUGHT, NOUGHT)).cost or NOUGHT
    if found != cost:
        yield Broken(rule="cost_is_the_positions", accounts=(name,), expected=f"{cost:f}", found=f"{found:f}")


def symbols_in(balances: Balances) -> set[str]:
    """The symbols of which there are shares."""
    return {_role(name).units_of for name in balances} - {""}


def _unequal(rule: str, balances: Balances, wanted: Mapping[str, Decimal]) -> Iterator[Broken]:
    for name, amount in wanted.items():
        found = _amount(balances, name)
        if found != amount:
            yield Broken(rule=rule, accounts=(name,), expected=f"{amount:f}", found=f"{found:f}")


def _amount(balances: Balances, name: str) -> Decimal:
    one = balances.get(name)
    return NOUGHT if one is None else one.amount


def _told(parts: Iterable[tuple[str, Decimal]]) -> tuple[str, ...]:
    return tuple(f"{_role(name).account} {amount:f}" for name, amount in parts)


def _said(one: Sum) -> str:
    return f"{one.amount:f}" if one.cost is None else f"{one.amount:f} at a cost of {one.cost:f}"
