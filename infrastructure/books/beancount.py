"""The books in beancount's syntax (version 3), for `bean-check` with the plugin `pedantic`.

What beancount would let pass is shut out: places are fixed, since it takes its tolerance from the coarsest
number; closing balances are exact (`~ 0`); the stock record has commodities of its own, since shares there have no cost.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

from domain.journal import USD, Posting
from infrastructure.books.closing import Closing
from infrastructure.books.entries import Entry
from infrastructure.books.lots import Change, Held, Lots
from infrastructure.books.text import fixed, plain

_HEAD = """option "title" "Daybook"
option "operating_currency" "USD"
option "booking_method" "STRICT"
option "inferred_tolerance_default" "USD:0.000001"
plugin "beancount.plugins.pedantic"

"""


class Beancount:
    """Writes parts of a file. `explicit` names the accounts whose lots beancount must not choose by itself."""

    suffix = "beancount"

    def __init__(self, explicit: set[str]) -> None:
        self._explicit = explicit
        self._lots = Lots()

    def head(self, told: Iterable[str]) -> str:
        """The file's first lines."""
        return "".join(f"; {line}\n" for line in told) + _HEAD

    def commodity(self, name: str, first: date) -> str:
        """The declaration of dollars, a symbol or its stock record."""
        return f"{first} commodity {named(name)}\n"

    def payee(self, name: str) -> str:
        """Payees need no declaration."""
        return ""

    def account(self, name: str, commodity: str, lot: str | None, first: date) -> str:
        """An account is opened on the first day it is used."""
        booking = ""
        if lot is not None:
            booking = ' "STRICT"' if name in self._explicit else ' "FIFO"'
        return f"{first} open {name} {named(commodity)}{booking}\n"

    lots_are_accounts = False

    def entry(self, entry: Entry) -> str:
        """A transaction."""
        lines = "".join(self._lines(entry))
        return f"\n{_first_line(entry)}{''.join(_metadata(entry))}{lines}"

    def _lines(self, entry: Entry) -> Iterator[str]:
        # A price is there to be compared with the dollars; dust that goes for nothing has none to compare with.
        price = entry.price if any(line.lot is None for line in entry.lines) else None
        for account, some in groupby(_by_lots(entry.lines), key=lambda line: line.lot and line.account):
            lines = list(some)
            if account is None:
                yield from (_line(one.account, one.amount, one.commodity) for one in lines)
            elif account in self._explicit:
                yield from self._explicitly(account, lines, price)
            else:
                yield from _by_fifo(account, lines, price)

    def _explicitly(self, account: str, lines: list[Posting], price: Decimal | None) -> Iterator[str]:
        commodity, at = lines[0].commodity, _at(price)
        for change in self._lots.change(account, lines):
            yield from _taken_out(account, commodity, change, at)
            yield from _put_back(account, commodity, change, at)

    def closing(self, closings: list[Closing], on: date) -> Iterator[str]:
        """What accounts must come to when `on` begins, and what each open lot must have cost."""
        shares = [one for one in closings if one.lot_id is not None]
        yield "\n"
        for one in closings:
            if one.lot_id is None:
                yield _balance(on, one.account, one.amount, one.commodity)
        for account, lots in groupby(shares, key=lambda one: one.account):
            some = list(lots)
            total = sum((lot.amount for lot in some), Decimal(0))
            yield _balance(on, account, total, some[0].commodity)
            yield from (_cost(on, lot, dollars=_dollars(closings)) for lot in some if lot.amount)


def named(commodity: str) -> str:
    """A commodity as beancount takes it: a slash may only begin a name there."""
    return commodity.replace("/", "_")


def _first_line(entry: Entry) -> str:
    links = f" ^E{entry.log_position}" if entry.log_position else f" ^opening-{entry.account_id}"
    links += f" ^O{entry.order_id}" if entry.order_id else ""
    tag = " #correction" if entry.corrects else ""
    return f'{entry.on} * "{entry.payee}" "{plain(entry.words)}"{tag}{links}\n'


def _metadata(entry: Entry) -> Iterator[str]:
    if entry.recorded_at is not None:
        yield f'  recorded: "{entry.recorded_at.isoformat()}"\n'
    if entry.effective_on != entry.on:
        yield f"  effective: {entry.effective_on}\n"
    if entry.corrects is not None:
        yield f'  corrects: "{entry.corrects}"\n'


def _by_lots(lines: Iterable[Posting]) -> list[Posting]:
    """Lines in lots first, those of one account together; the rest as they come."""
    shares = sorted((line for line in lines if line.lot is not None), key=lambda line: line.account)
    return shares + [line for line in lines if line.lot is None]


def _by_fifo(account: str, lines: list[Posting], price: Decimal | None) -> Iterator[str]:
    """Lots that come in are told; of those that go, beancount finds out itself."""
    sold = sum((line.amount for line in lines if line.amount < 0), Decimal(0))
    commodity = lines[0].commodity
    if sold:
        yield _line(account, sold, commodity, " {}" + _at(price))
    for line in lines:
        if line.amount > 0 and line.lot is not None:
            lot = _lot(line.lot.acquired_at.date(), str(line.lot.lot_id), line.cost)
            yield _line(account, line.amount, commodity, lot)


def _taken_out(account: str, commodity: str, change: Change, at: str) -> Iterator[str]:
    if change.before is not None and change.before != change.after:
        yield _line(account, -change.before.quantity, commodity, _known(change) + at)


def _put_back(account: str, commodity: str, change: Change, at: str) -> Iterator[str]:
    if change.after is not None and change.before != change.after:
        had = change.before or Held(Decimal(0), Decimal(0))
        is_a_rest = change.after.quantity < had.quantity
        lot = _lot(change.key[1], str(change.key[0]), change.after.cost)
        yield _line(account, change.after.quantity, commodity, lot + (at if is_a_rest else ""))


def _known(change: Change) -> str:
    return f' {{{change.key[1]}, "{change.key[0]}"}}'


def _lot(on: date, label: str, cost: Decimal | None) -> str:
    return f' {{{{{fixed(cost or Decimal(0), USD)} USD, {on}, "{label}"}}}}'


def _at(price: Decimal | None) -> str:
    return "" if price is None else f" @ {price:f} USD"


def _line(account: str, amount: Decimal, commodity: str, more: str = "") -> str:
    return f"  {account}   {fixed(amount, commodity)} {named(commodity)}{more}\n"


def _balance(on: date, account: str, amount: Decimal, commodity: str) -> str:
    return f"{on} balance {account}   {fixed(amount, commodity)} ~ 0 {named(commodity)}\n"


def _dollars(closings: list[Closing]) -> str:
    return next((one.account for one in closings if one.commodity == USD), "")


def _cost(on: date, lot: Closing, *, dollars: str) -> str:
    """The lot out at what beancount holds it for, and in at what the read table says: no cent may be left.

    The line of nothing lets beancount compare to the half cent: it keeps a cost a share, which may not end.
    """
    change = Change((lot.lot_id, lot.acquired_on), None, None)  # type: ignore[arg-type]  # it is a lot
    out = _line(lot.account, -lot.amount, lot.commodity, _known(change))
    back = _line(lot.account, lot.amount, lot.commodity, _lot(change.key[1], str(lot.lot_id), lot.cost))
    nothing = _line(dollars, Decimal(0), USD) if dollars else ""
    return f'{on} * "closing" "Cost of the lot" ^L{lot.lot_id}\n{out}{back}{nothing}'


def next_day(on: date) -> date:
    """The day on which closing balances are looked at: they count from its beginning."""
    return on + timedelta(days=1)
