"""What the read tables over time, by symbol and by actor must hold, worked out by folding all there was up to each moment."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from application.brokerage import fold
from domain.account import Account
from domain.order import Order
from domain.position import Position
from domain.values import NOTHING, rounded
from projections.actors import Deeds
from projections.history import EquityPoint, EquityRow
from projections.holders import Holder
from projections.open_orders import OpenOrder
from projections.projection import Fact
from projections.shares import LATEST, Shares
from projections.statements import StatementRow

Key = tuple[Any, ...]
Rows = dict[Key, Any]

MOVES = (
    Account.Opened,
    Account.Deposited,
    Account.Withdrawn,
    Account.PurchaseDebited,
    Account.SaleCredited,
    Position.LotOpened,
    Position.LotsRelieved,
    Position.FractionCashed,
    Account.DividendPaid,
    Account.InterestPaid,
    Account.CashInLieuPaid,
    Account.SharesSplit,
    Account.DepositTakenBack,
    Account.WithdrawalPutBack,
    Position.WashSaleDisallowed,
)


def minute(moment: datetime) -> datetime:
    return datetime.fromisoformat(moment.isoformat()[:16] + "+00:00")


def day(moment: datetime) -> datetime:
    return datetime.fromisoformat(moment.isoformat()[:10] + "T00:00+00:00")


def by_account(facts: Sequence[Fact]) -> dict[UUID, list[Fact]]:
    found: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.event.account_id].append(fact)
    return found


def spans(facts: Sequence[Fact], begin: Callable[[datetime], datetime]) -> dict[datetime, list[Fact]]:
    """One account's facts that move cash or shares, by the beginning of the span they are in."""
    found: dict[datetime, list[Fact]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact.event, MOVES):
            found[begin(fact.event.recorded_at)].append(fact)
    return found


def stands(facts: Sequence[Fact]) -> tuple[Decimal, list[Shares]]:
    """One account's cash and shares as these facts leave them, read off the aggregates."""
    found: dict[UUID, Any] = {}
    prices: dict[str, Decimal] = {}
    for fact in facts:
        event = fact.event
        found[event.originator_id] = fold(found.get(event.originator_id), (event,))
        if isinstance(event, Account.PurchaseDebited | Account.SaleCredited):
            prices[event.symbol] = event.price
        if isinstance(event, Account.SharesSplit):
            prices[event.symbol] = prices[event.symbol] * event.before / event.after
    cash = next(one.cash for one in found.values() if isinstance(one, Account))
    owned = [one for one in found.values() if isinstance(one, Position) and one.quantity]
    shares = [Shares(one.symbol, one.quantity, one.cost, prices[one.symbol]) for one in owned]
    return cash, sorted(shares, key=lambda one: one.symbol)


def up_to(facts: Sequence[Fact], last: Fact) -> list[Fact]:
    """The facts up to one of them; of a split the shares' part too, which the log has behind the account's."""
    action = last.event.action_id if isinstance(last.event, Account.SharesSplit) else None
    return [
        fact
        for fact in facts
        if fact.log_position <= last.log_position
        or (isinstance(fact.event, Position.Split) and fact.event.action_id == action)
    ]


def profits(facts: Sequence[Fact]) -> Decimal:
    sales = total(facts, (Position.LotsRelieved, Position.FractionCashed), "profit")
    return sales + total(facts, Position.WashSaleDisallowed, "disallowed")


def paid_in(facts: Sequence[Fact]) -> Decimal:
    kinds = (Account.Deposited, Account.WithdrawalPutBack)
    return total(facts, kinds) - total(facts, kinds, "repaid")


def paid_out(facts: Sequence[Fact]) -> Decimal:
    returned = total(facts, Account.DepositTakenBack) - total(facts, Account.DepositTakenBack, "owed")
    return total(facts, Account.Withdrawn) + returned


def total(facts: Sequence[Fact], kind: Any, field: str = "amount") -> Decimal:
    return sum((getattr(fact.event, field) for fact in facts if isinstance(fact.event, kind)), NOTHING)


def charged(facts: Sequence[Fact], kind: type[Any]) -> Decimal:
    events = [fact.event for fact in facts if isinstance(fact.event, kind)]
    return sum((charge.amount for event in events for charge in event.charges), NOTHING)


def worth(shares: Sequence[Shares]) -> Decimal:
    return sum((rounded(one.quantity * one.price) for one in shares), NOTHING)


def history(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for account_id, mine in by_account(facts).items():
        for at, inside in spans(mine, minute).items():
            last = inside[-1]
            cash, shares = stands(up_to(mine, last))
            row = EquityRow(
                account_id=account_id,
                at=at,
                cash=cash,
                cost=sum((one.cost for one in shares), NOTHING),
                invested=worth(shares),
                deposited=paid_in(inside),
                withdrawn=paid_out(inside),
                realised=profits(inside),
                positions=[],
                updated_at=last.event.recorded_at,
                log_position=last.log_position,
            )
            rows[account_id, at] = row
            rows[account_id, LATEST] = msgspec.structs.replace(row, at=LATEST, positions=shares)
    return rows


def begin_of(interval: str, moment: datetime) -> datetime:
    """The beginning of the span of UTC that a moment is in."""
    if interval in ("minute", "hour"):
        begun = minute(moment)
        return begun if interval == "minute" else begun.replace(minute=0)
    first = day(moment)
    match interval:
        case "week":
            return first - timedelta(days=first.weekday())
        case "month":
            return first.replace(day=1)
        case "year":
            return first.replace(month=1, day=1)
        case _:
            return first


def points(rows: Sequence[EquityRow], interval: str, since: datetime) -> list[EquityPoint]:
    """The minutes of one account put together to intervals, newest first."""
    found: dict[datetime, list[EquityRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.at):
        if since <= row.at < LATEST:
            found[begin_of(interval, row.at)].append(row)
    return [
        EquityPoint(
            at=at,
            cash=inside[-1].cash,
            cost=inside[-1].cost,
            invested=inside[-1].invested,
            equity=inside[-1].cash + inside[-1].invested,
            deposited=sum((row.deposited for row in inside), NOTHING),
            withdrawn=sum((row.withdrawn for row in inside), NOTHING),
            realised=sum((row.realised for row in inside), NOTHING),
            log_position=inside[-1].log_position,
        )
        for at, inside in sorted(found.items(), reverse=True)
    ]


def statements(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for account_id, mine in by_account(facts).items():
        opening = NOTHING
        for begin, inside in spans(mine, day).items():
            last = inside[-1]
            cash, shares = stands(up_to(mine, last))
            row = StatementRow(
                account_id=account_id,
                day=begin,
                opening_cash=opening,
                closing_cash=cash,
                deposited=paid_in(inside),
                withdrawn=paid_out(inside),
                bought=total(inside, Account.PurchaseDebited) - charged(inside, Position.LotOpened),
                sold=total(inside, Account.SaleCredited) + charged(inside, Position.LotsRelieved),
                fees=charged(inside, Position.LotOpened) + charged(inside, Position.LotsRelieved),
                income=total(inside, (Account.DividendPaid, Account.InterestPaid, Account.CashInLieuPaid)),
                realised=profits(inside),
                trades=sum(
                    isinstance(f.event, Account.PurchaseDebited | Account.SaleCredited) for f in inside
                ),
                cost=sum((one.cost for one in shares), NOTHING),
                invested=worth(shares),
                positions=shares,
                first_position=inside[0].log_position,
                updated_at=last.event.recorded_at,
                log_position=last.log_position,
            )
            opening = cash
            rows[account_id, begin] = row
            rows[account_id, LATEST] = msgspec.structs.replace(row, day=LATEST)
    return rows


def holders(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for account_id, mine in by_account(facts).items():
        for one in stands(mine)[1]:
            moved = [
                fact
                for fact in mine
                if isinstance(
                    fact.event,
                    Position.LotOpened
                    | Position.LotsRelieved
                    | Position.WashSaleDisallowed
                    | Position.Split
                    | Position.FractionCashed,
                )
                and fact.event.symbol == one.symbol
            ]
            last = moved[-1]
            rows[one.symbol, account_id] = Holder(
                one.symbol, account_id, one.quantity, one.cost, last.event.recorded_at, last.log_position
            )
    return rows


def actors(facts: Sequence[Fact]) -> Rows:
    found: dict[Key, list[Fact]] = defaultdict(list)
    for fact in facts:
        said, name = msgspec.json.decode(fact.metadata), fact.topic.partition(":")[0]
        found[said["actor"], said["role"], fact.event.account_id, name].append(fact)
    return {
        key: Deeds(
            *key,
            count=len(deeds),
            first_at=deeds[0].event.recorded_at,
            last_at=deeds[-1].event.recorded_at,
            first_position=deeds[0].log_position,
            log_position=deeds[-1].log_position,
        )
        for key, deeds in found.items()
    }


def open_orders(facts: Sequence[Fact]) -> Rows:
    histories: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact.event, Order.FACTS):
            histories[fact.event.originator_id].append(fact)
    folded = [(fold(None, [fact.event for fact in life]), life) for life in histories.values()]
    return {(order.id,): _open_order(order, life) for order, life in folded if order.is_open}


def _open_order(order: Any, life: Sequence[Fact]) -> OpenOrder:
    said = msgspec.structs.asdict(order.terms)
    terms = {name: said[name] for name in said if name not in ("lot_method", "lots")}
    return OpenOrder(
        order_id=order.id,
        account_id=order.account_id,
        **{**terms, **{name: str(terms[name]) for name in ("side", "type", "time_in_force")}},
        price_cap=order.price_cap,
        status=str(order.status),
        venue=order.venue,
        revision=order.revision,
        filled_quantity=order.filled,
        notional=order.notional,
        amount=order.spent,
        placed_at=order.placed_at,
        accepted_at=order.accepted_at,
        triggered_at=order.triggered_at,
        placed_position=life[0].log_position,
        log_position=life[-1].log_position,
    )


TABLES = {
    "history": history,
    "statements": statements,
    "holders": holders,
    "actors": actors,
    "open_orders": open_orders,
}
