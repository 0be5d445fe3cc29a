"""An account as it stood, in beancount's syntax: what the customer's book comes to, lot by lot.

The accounts are those of the journal, and so are their balances; one opening transaction has them all.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

from msgspec import UNSET

from application.history import AccountAsOf
from domain import chart
from domain.journal import USD
from infrastructure.books.beancount import named
from infrastructure.books.text import fixed

_HEAD = 'option "operating_currency" "USD"\noption "booking_method" "STRICT"\n'
NOUGHT = Decimal(0)


def as_beancount(then: AccountAsOf) -> str:
    """The whole file; the same bytes for the same answer."""
    day, equity = _day_of(then), f"Equity:Cust:C{then.account_id}:AsOf"
    lines = [(name, amount) for name, amount in _dollars(then) if amount]
    return "".join(
        (
            f"; account {then.account_id}, {then.status}, at log position {then.log_position}\n",
            f"; recorded at {then.recorded_at.isoformat()}\n",
            "" if then.effective_at is UNSET else f"; effective at {then.effective_at.isoformat()}\n",
            f"{_HEAD}{day} open {equity} {USD}\n",
            *(f"{day} open {name} {USD}\n" for name, _ in lines),
            *(
                f'{day} open {_shares(then, one.symbol)} {named(one.symbol)} "STRICT"\n'
                for one in then.positions
            ),
            f'\n{day} * "Daybook" "The account as it stood"\n',
            *(f"  {name}   {fixed(amount, USD)} {USD}\n" for name, amount in lines),
            *_lots(then),
            f"  {equity}   {fixed(-_total(then), USD)} {USD}\n",
        )
    )


def _day_of(then: AccountAsOf) -> date:
    moment = then.recorded_at if then.effective_at is UNSET else then.effective_at
    assert isinstance(moment, datetime)  # noqa: S101  a union with UNSET
    return moment.astimezone(UTC).date()


def _dollars(then: AccountAsOf) -> Iterator[tuple[str, Decimal]]:
    bought = sum((due.purchases for due in then.settlements.values()), NOUGHT)
    of = then.account_id
    yield chart.free(of), then.available - then.unsettled
    yield chart.held_for_orders(of), then.held
    yield chart.held_for_settlement(of), bought
    yield chart.held_for_withdrawal(of), then.withdrawing
    yield chart.receivable(of), then.unsettled
    yield chart.payable(of), -bought
    yield chart.debt(of), -then.owed


def _lots(then: AccountAsOf) -> Iterator[str]:
    for position in then.positions:
        for lot in position.lots:
            shares = f"{fixed(lot.quantity, position.symbol)} {named(position.symbol)}"
            cost = f'{{{{{fixed(lot.cost, USD)} USD, {lot.acquired_at.date()}, "{lot.lot_id}"}}}}'
            yield f"  {_shares(then, position.symbol)}   {shares} {cost}\n"


def _shares(then: AccountAsOf, symbol: str) -> str:
    return chart.shares_at_cost(then.account_id, symbol)


def _total(then: AccountAsOf) -> Decimal:
    return then.cash - then.owed + sum((one.cost for one in then.positions), NOUGHT)
