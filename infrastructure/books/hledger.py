"""The books in hledger's syntax (1.25 and later), for `hledger check -s ordereddates payees`.

This hledger knows no lots: each is an account of its own, with `@@` what its shares have cost. Between account and
amount are two blanks at least, whatever their length; places are declared, since hledger compares to these.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from domain.journal import USD, Posting
from infrastructure.books.closing import Closing
from infrastructure.books.entries import Entry
from infrastructure.books.lots import Lots
from infrastructure.books.text import fixed, plain


class Hledger:
    """Writes parts of a file."""

    suffix = "journal"
    lots_are_accounts = True

    def __init__(self, explicit: set[str]) -> None:
        self._lots = Lots()

    def head(self, told: Iterable[str]) -> str:
        """The file's first lines."""
        return "".join(f"; {line}\n" for line in told) + "\npayee closing\n"

    def commodity(self, name: str, first: date) -> str:
        """The declaration of dollars, a symbol or its stock record, with the places it is exact to."""
        return f"commodity 1000.{'00' if name == USD else '000000'} {quoted(name)}\n"

    def payee(self, name: str) -> str:
        """The declaration of a payee."""
        return f"payee {name}\n"

    def account(self, name: str, commodity: str, lot: str | None, first: date) -> str:
        """The declaration of an account."""
        return f"account {name}{'' if lot is None else f':{lot}'}\n"

    def entry(self, entry: Entry) -> str:
        """A transaction."""
        place = f"E{entry.log_position}" if entry.log_position else "opening"
        head = f"\n{entry.on} * ({place}) {entry.payee} | {plain(entry.words)}\n"
        return head + "".join(_metadata(entry)) + "".join(self._lines(entry))

    def _lines(self, entry: Entry) -> Iterator[str]:
        for line in entry.lines:
            if line.lot is None:
                yield f"    {line.account}   {fixed(line.amount, line.commodity)} {quoted(line.commodity)}\n"
            else:
                yield from self._in_lots(line, entry.price)

    def _in_lots(self, line: Posting, price: Decimal | None) -> Iterator[str]:
        (change,) = self._lots.change(line.account, [line])
        said = "" if price is None else f"  ; saleprice:{price:f}"
        account = f"{line.account}:{change.key[0]}"
        if line.amount:
            yield _at_cost(account, line.amount, line.commodity, line.cost) + said + "\n"
        else:  # nothing at a cost is nothing to hledger: the whole lot goes, and comes back
            for held, sign in ((change.before, -1), (change.after, 1)):
                if held is not None and held.quantity:
                    yield _at_cost(account, sign * held.quantity, line.commodity, held.cost) + "\n"

    def closing(self, closings: list[Closing], on: date) -> Iterator[str]:
        """What each account must have come to."""
        if closings:
            yield f"\n{on} * (closing) closing | What the read tables say\n"
        for one in closings:
            account = one.account if one.lot_id is None else f"{one.account}:{one.lot_id}"
            nothing, unit = fixed(Decimal(0), one.commodity), quoted(one.commodity)
            yield f"    {account}   {nothing} {unit} = {fixed(one.amount, one.commodity)} {unit}\n"


def quoted(commodity: str) -> str:
    """A commodity as hledger takes it: in quotes when it is not made of letters alone."""
    return commodity if commodity.isalpha() else f'"{commodity}"'


def _at_cost(account: str, amount: Decimal, commodity: str, cost: Decimal | None) -> str:
    paid = fixed(abs(cost or Decimal(0)), USD)
    return f"    {account}   {fixed(amount, commodity)} {quoted(commodity)} @@ {paid} USD"


def _metadata(entry: Entry) -> Iterator[str]:
    said = {}
    if entry.recorded_at is not None:
        said["recorded"] = entry.recorded_at.isoformat()
    if entry.effective_on != entry.on:
        said["effective"] = entry.effective_on.isoformat()
    if entry.corrects is not None:
        said["corrects"] = entry.corrects
    if entry.order_id is not None:
        said["order"] = str(entry.order_id)
    if said:
        yield "    ; " + ", ".join(f"{name}:{value}" for name, value in said.items()) + "\n"
