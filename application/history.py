"""A whole account as it stood at a moment: the fold of its events up to there, and nothing else."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from application.answers import OrderAnswer
from application.brokerage import fold
from application.effect import in_effect
from application.lineage import Contribution, Lineage
from application.views import PositionAsOf, account_view, order_view, position_view
from domain.account import Account, Unsettled
from domain.aggregate import Aggregate, Event
from domain.errors import MomentMustBeWithinTheAccountsLife
from domain.facts import AGGREGATE_OF
from domain.order import Order
from domain.position import Position
from domain.values import Money, Price

_WHOLE = (Account, Position)
"""Kinds of which a snapshot has every aggregate."""


class QuoteUsed(Struct, frozen=True, kw_only=True):
    """The quote, by its sequence, that the account's last execution of a symbol took, and at what price."""

    symbol: str
    quote: int
    price: Price
    executed_at: datetime
    log_position: int


class AccountAsOf(Struct, frozen=True, kw_only=True):
    """The account then. `log_position` is its last event's, `events` how many made it so.

    The same question, asked again at any later time, has the same answer. `holds` are by open order. With an
    `effective_at`, only facts that count to a time up to it are in it. `lineage` is there when it was asked for:
    by the path of a number in this answer (with orders as `orders/ID/…`), the events that add up to it.
    """

    account_id: UUID
    log_position: int
    recorded_at: datetime
    events: int
    status: str
    cash: Money
    held: Money
    available: Money
    withdrawing: Money
    owed: Money
    unsettled: Money
    withdrawable: Money
    settlements: dict[date, Unsettled]
    good_faith_violations: list[date]
    holds: dict[UUID, Money]
    positions: list[PositionAsOf]
    open_orders: list[OrderAnswer]
    last_quotes: list[QuoteUsed]
    effective_at: datetime | UnsetType = UNSET
    lineage: dict[str, list[Contribution]] | UnsetType = UNSET


class AccountSnapshot(Struct, frozen=True, kw_only=True):
    """What an answer about an account rests on, after the event at `log_position`, so that the fold can go on from here.

    Of the orders only the open ones: no fact opens an ended one again. What no answer tells of is not in it.
    `changed_at` has the log position of each order's last event.
    """

    log_position: int
    recorded_at: datetime
    events: int
    account: Account
    positions: list[Position]
    orders: list[Order]
    changed_at: dict[UUID, int]
    quotes: list[QuoteUsed]


class Standing:
    """A whole account while its events are folded, oldest first."""

    def __init__(self, account_id: UUID) -> None:
        self.account_id = account_id
        self.aggregates: dict[UUID, Aggregate] = {}
        self.log_position = 0
        self._changed_at: dict[UUID, int] = {}
        self._quotes: dict[str, QuoteUsed] = {}
        self._count = 0
        self._recorded_at: datetime | None = None

    @classmethod
    def of(cls, snapshot: AccountSnapshot) -> "Standing":
        """The account as it was kept. From here on it takes in events by `go_on`."""
        standing = cls(snapshot.account.id)
        every: list[Aggregate] = [snapshot.account, *snapshot.positions, *snapshot.orders]
        standing.aggregates = {one.id: one for one in every}
        standing.log_position, standing._count = snapshot.log_position, snapshot.events
        standing._changed_at = dict(snapshot.changed_at)
        standing._quotes = {one.symbol: one for one in snapshot.quotes}
        standing._recorded_at = snapshot.recorded_at
        return standing

    def snapshot(self) -> AccountSnapshot:
        """The account as it stands now. Raises MomentMustBeWithinTheAccountsLife while it has not been opened."""
        account, every = self.account, self.aggregates.values()
        orders = [one for one in every if isinstance(one, Order) and one.is_open]
        return AccountSnapshot(
            log_position=self.log_position,
            recorded_at=self._last_recorded_at,
            events=self._count,
            account=account,
            positions=[one for one in every if isinstance(one, Position)],
            orders=orders,
            changed_at={one.id: self._changed_at[one.id] for one in orders},
            quotes=list(self._quotes.values()),
        )

    def go_on(self, history: Iterable[tuple[int, Event]]) -> None:
        """Fold further events; those of streams that a snapshot has left out tell nothing, and are only counted."""
        for position, event in history:
            is_begun = event.originator_id in self.aggregates or event.originator_version == 1
            if is_begun or AGGREGATE_OF[type(event)] in _WHOLE:
                self.take_in(position, event)
            else:
                self._count_in(position, event)

    def take_in(self, position: int, event: Event) -> Aggregate:
        """Fold one event. Returns the aggregate it changed."""
        aggregate: Aggregate = fold(self.aggregates.get(event.originator_id), (event,))
        self.aggregates[event.originator_id] = aggregate
        self._changed_at[event.originator_id] = position
        self._count_in(position, event)
        if isinstance(event, Order.Executed) and isinstance(aggregate, Order) and event.quote:
            self._quotes[aggregate.symbol] = QuoteUsed(
                symbol=aggregate.symbol,
                quote=event.quote,
                price=event.price,
                executed_at=event.recorded_at,
                log_position=position,
            )
        return aggregate

    @property
    def _last_recorded_at(self) -> datetime:
        assert self._recorded_at is not None, "the account was opened by an event"  # noqa: S101
        return self._recorded_at

    def _count_in(self, position: int, event: Event) -> None:
        self.log_position, self._recorded_at = position, event.recorded_at
        self._count += 1

    @property
    def is_open(self) -> bool:
        """Whether the account has been opened."""
        return isinstance(self.aggregates.get(self.account_id), Account)

    @property
    def account(self) -> Account:
        """The account itself. Raises MomentMustBeWithinTheAccountsLife while it has not been opened."""
        return self.require_account()

    def require_account(self) -> Account:
        """The same, for those who only want it to be there."""
        account = self.aggregates.get(self.account_id)
        if not isinstance(account, Account):
            raise MomentMustBeWithinTheAccountsLife(f"account {self.account_id} did not exist then")
        return account

    def position_in(self, symbol: str) -> Position | None:
        """The position in a symbol, if there ever was one."""
        of_symbol = (
            one for one in self.aggregates.values() if isinstance(one, Position) and one.symbol == symbol
        )
        return next(of_symbol, None)

    def answer(self, *, effective_at: datetime | None = None, lineage: Lineage | None = None) -> AccountAsOf:
        """The account as it stands now in the fold. Raises MomentMustBeWithinTheAccountsLife."""
        account, every = self.account, self.aggregates.values()
        positions = [position_view(one) for one in every if isinstance(one, Position)]
        open_orders = [one for one in every if isinstance(one, Order) and one.is_open]
        orders = [order_view(one, self._changed_at[one.id]) for one in open_orders]
        return AccountAsOf(
            account_id=self.account_id,
            log_position=self.log_position,
            recorded_at=self._last_recorded_at,
            events=self._count,
            **account_view(account),
            positions=sorted(positions, key=lambda one: one.symbol),
            open_orders=sorted(orders, key=lambda one: (one.placed_at, str(one.order_id))),
            last_quotes=sorted(self._quotes.values(), key=lambda one: one.symbol),
            effective_at=UNSET if effective_at is None else effective_at,
            lineage=UNSET if lineage is None else lineage.of(every),
        )


def account_as_of(
    account_id: UUID,
    history: Iterable[tuple[int, Event]],
    *,
    effective_at: datetime | None = None,
    explain: bool = False,
) -> AccountAsOf:
    """Fold an account's events, each with its log position, oldest first.

    With `effective_at` facts that count to a later time are left out; `explain` adds the lineage.
    Raises MomentMustBeWithinTheAccountsLife when there are none: the account did not exist yet.
    """
    standing, lineage = Standing(account_id), Lineage() if explain else None
    for position, event in history if effective_at is None else in_effect(list(history), effective_at):
        aggregate = standing.take_in(position, event)
        if lineage is not None:
            lineage.note(position, event, aggregate)
    return standing.answer(effective_at=effective_at, lineage=lineage)
