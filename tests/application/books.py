"""The books of facts in memory, and what must hold of them whatever happened."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from domain import journal
from domain.account import Account
from domain.aggregate import Event
from domain.position import Position

Totals = dict[tuple[str, str], Decimal]


def totals(events: Iterable[Event]) -> Totals:
    """By account name and commodity, all that was booked; each event must come to zero by itself."""
    found: Totals = defaultdict(Decimal)
    for event in events:
        lines = journal.postings(event)
        assert not journal.imbalance(lines), event
        for line in lines:
            found[line.account, line.commodity] += line.amount
    return found


def require_books_of(account: Account, positions: Iterable[Position], events: Iterable[Event]) -> None:
    """Mirror, stock record and segregation hold, and the books say of one account what its aggregates say."""
    found = totals(events)
    _require_mirror(account, found)
    for position in positions:
        _require_shares(account, position, found)
    owed = sum(
        (found[name, "USD"] for name in (journal.CUSTOMERS_BANK, journal.TAX_WITHHELD)), Decimal(0)
    ) + _of(found, journal.free_credit(account.id))
    fees = sum((amount for (name, _), amount in found.items() if ":RegFees:" in name), Decimal(0))
    unsettled_fees = sum((due.fees for due in account.unsettled.values()), Decimal(0))
    assert owed + fees == -unsettled_fees


def _require_mirror(account: Account, found: Totals) -> None:
    who = account.id
    cash = [journal.free(who), journal.held_for_orders(who), journal.held_for_settlement(who)]
    unsettled = [journal.receivable(who), journal.payable(who)]
    firm = [journal.free_credit(who), journal.unsettled_payable(who), journal.unsettled_receivable(who)]
    assert sum(_of(found, name) for name in (*cash, *unsettled, *firm)) == 0
    assert _of(found, cash[0]) == account.cash - account.held - account.unsettled_proceeds
    assert _of(found, cash[1]) == account.held
    assert -_of(found, firm[0]) == account.settled_cash


def _require_shares(account: Account, position: Position, found: Totals) -> None:
    symbol, commodity = position.symbol, journal.stock(position.symbol)
    free = found[journal.owned_free(account.id, symbol), commodity]
    held = found[journal.owned_held(account.id, symbol), commodity]
    street = found[journal.at_depository(symbol), commodity] + found[journal.at_clearing(symbol), commodity]
    assert street == -(free + held)
    assert (-free, -held) == (position.free, position.reserved)
    assert found[journal.shares_at_cost(account.id, symbol), symbol] == position.quantity


def _of(found: Totals, name: str) -> Decimal:
    return found[name, "USD"]
