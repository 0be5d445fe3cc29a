"""What every read table must hold, worked out from the log by scanning it, with no thought for speed.

Balances, orders and positions are read off the folded aggregates, which share no code with the projections.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from application.brokerage import fold
from domain.account import Account
from domain.aggregate import Aggregate
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.order import Order
from domain.position import Position
from domain.trade import total
from domain.values import NO_SHARES, NOTHING
from projections.activity import ActivityRow
from projections.audit import AuditRow
from projections.balances import Balance
from projections.dividends import DividendRow
from projections.executions import ExecutionRow
from projections.orders import OrderRow
from projections.positions import PositionRow
from projections.projection import Fact
from projections.settlements import Settlement
from projections.words import describe
from tests.ledger import naive_lots, naive_over_time
from tests.ledger.naive_journal import journal

Key = tuple[Any, ...]
Rows = dict[Key, Any]


def aggregates(facts: Iterable[Fact]) -> dict[UUID, Aggregate]:
    """Every aggregate as these facts leave it."""
    found: dict[UUID, Aggregate] = {}
    for fact in facts:
        found[fact.event.originator_id] = fold(found.get(fact.event.originator_id), (fact.event,))
    return found


def lives(facts: Iterable[Fact], kind: type[Aggregate]) -> list[tuple[Any, list[Fact]]]:
    """Every aggregate of a kind with all its facts."""
    histories: dict[UUID, list[Fact]] = {}
    for fact in facts:
        if type(fact.event) in kind.FACTS:
            histories.setdefault(fact.event.originator_id, []).append(fact)
    return [(fold(None, [fact.event for fact in history]), history) for history in histories.values()]


def balances(facts: Sequence[Fact]) -> Rows:
    return {
        (account.id,): Balance(
            account_id=account.id,
            owner_id=account.owner_id,
            status=str(account.status),
            opened_at=account.opened_at,
            cash=account.cash,
            held=account.held,
            withdrawing=sum(account.withdrawals.values(), NOTHING),
            owed=account.owed,
            unsettled=account.unsettled_proceeds,
            good_faith_violations=len(account.good_faith_violations),
            lot_method=str(account.lot_method),
            updated_at=_about_cash(history)[-1].event.recorded_at,
            log_position=_about_cash(history)[-1].log_position,
        )
        for account, history in lives(facts, Account)
    }


def _about_cash(history: list[Fact]) -> list[Fact]:
    return [f for f in history if not isinstance(f.event, Account.DividendEntitled | Account.SharesSplit)]


def positions(facts: Sequence[Fact]) -> Rows:
    return {
        (position.account_id, position.symbol): PositionRow(
            account_id=position.account_id,
            symbol=position.symbol,
            quantity=position.quantity,
            reserved=position.reserved,
            cost=position.cost,
            realised=position.realised,
            lots=naive_lots.lot_rows(position.lots, history),
            **naive_lots.realised(facts, position.id),
            updated_at=history[-1].event.recorded_at,
            log_position=history[-1].log_position,
        )
        for position, history in lives(facts, Position)
    }


def orders(facts: Sequence[Fact]) -> Rows:
    return {(order.id,): _order(order, history) for order, history in lives(facts, Order)}


def _order(order: Order, history: list[Fact]) -> OrderRow:
    terms = order.terms
    assert terms is not None
    venues = [fact.event.venue for fact in history if isinstance(fact.event, Order.Accepted | Order.Executed)]
    return OrderRow(
        order_id=order.id,
        account_id=order.account_id,
        client_order_id=terms.client_order_id,
        symbol=terms.symbol,
        side=str(terms.side),
        type=str(terms.type),
        time_in_force=str(terms.time_in_force),
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        status=str(order.status),
        reason=order.reason,
        detail=order.detail,
        venue=venues[-1] if venues else None,
        revision=order.revision,
        lot_method=None if order.lot_method is None else str(order.lot_method),
        lots=list(terms.chosen_lots),
        filled_quantity=order.filled,
        busted_quantity=order.busted,
        leaves_quantity=order.leaves if order.is_open else NO_SHARES,
        notional=order.notional,
        amount=order.spent,
        charges=total(tuple(order.charged.values())),
        charges_held=order.charges_held if order.is_open else NOTHING,
        average_price=order.average_price,
        placed_at=order.placed_at,
        accepted_at=order.accepted_at,
        triggered_at=order.triggered_at,
        ended_at=order.ended_at,
        updated_at=history[-1].event.recorded_at,
        placed_position=history[0].log_position,
        log_position=history[-1].log_position,
    )


def executions(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for fact in facts:
        event = fact.event
        if isinstance(event, Order.Executed):
            about = [
                one.event for one in facts if getattr(one.event, "execution_id", 0) == event.execution_id
            ]
            sale = next((e for e in about if isinstance(e, Position.LotsRelieved)), None)
            lots = [] if sale is None else naive_lots.sold(facts, sale)
            cash = next(e for e in about if isinstance(e, Account.PurchaseDebited | Account.SaleCredited))
            rows[event.execution_id,] = ExecutionRow(
                execution_id=event.execution_id,
                order_id=event.originator_id,
                account_id=event.account_id,
                symbol=cash.symbol,
                side="buy" if isinstance(cash, Account.PurchaseDebited) else "sell",
                quantity=event.quantity,
                price=event.price,
                amount=event.amount,
                charges=list(event.charges),
                net_amount=cash.amount,
                settles_on=cash.settles_on,
                profit=sale.profit if sale else None,
                short_term=sum((x.gain for x in lots if x.term == "short"), NOTHING) if sale else None,
                long_term=sum((x.gain for x in lots if x.term == "long"), NOTHING) if sale else None,
                wash_disallowed=sum((x.wash_disallowed for x in lots), NOTHING) if sale else None,
                lot_method=sale.method if sale else None,
                lots=lots,
                leaves_quantity=event.leaves_quantity,
                venue=event.venue,
                quote=event.quote,
                executed_at=event.recorded_at,
                reversed_at=None,
                is_correction=False,
                log_position=fact.log_position,
            )
    return rows


_SEEN_BY_CUSTOMERS: dict[str, str] = {
    "Account.Opened": "account_opened",
    "Account.Suspended": "account_suspended",
    "Account.Reinstated": "account_reinstated",
    "Account.Closed": "account_closed",
    "Account.Deposited": "deposit",
    "Account.Withdrawn": "withdrawal",
    "Account.PurchaseDebited": "purchase",
    "Account.SaleCredited": "sale",
    "Account.LotMethodChosen": "lot_method_chosen",
    "Account.DepositTakenBack": "deposit_returned",
    "Account.WithdrawalPutBack": "withdrawal_returned",
    "Transfer.Initiated": "transfer_initiated",
    "Transfer.Failed": "transfer_failed",
    "Account.Settled": "settlement",
    "Account.GoodFaithViolated": "good_faith_violation",
    "Account.DividendEntitled": "dividend_entitled",
    "Account.DividendPaid": "dividend",
    "Account.InterestPaid": "interest",
    "Account.SharesSplit": "split",
    "Account.CashInLieuPaid": "cash_in_lieu",
    "Order.Adjusted": "order_adjusted",
    "Order.Placed": "order_placed",
    "Order.Rejected": "order_rejected",
    "Order.Replaced": "order_replaced",
    "Order.Triggered": "order_triggered",
    "Order.Cancelled": "order_cancelled",
    "Order.Expired": "order_expired",
}
TYPES = sorted(_SEEN_BY_CUSTOMERS.values())


def activity(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for fact in facts:
        kind = _SEEN_BY_CUSTOMERS.get(fact.topic.partition(":")[0])
        if kind is not None:
            event: Any = fact.event
            said = getattr(event, "terms", getattr(event, "entitlement", event))
            quantity = getattr(said, "quantity", None)
            if isinstance(event, Account.SharesSplit):
                quantity = event.after - event.before
            is_order = fact.topic.startswith("Order.")
            rows[event.account_id, fact.log_position] = ActivityRow(
                account_id=event.account_id,
                log_position=fact.log_position,
                type=kind,
                at=event.recorded_at,
                symbol=getattr(said, "symbol", None),
                quantity=quantity,
                price=getattr(said, "rate", getattr(event, "price", None)) if not is_order else None,
                amount=cash_moved(fact),
                order_id=event.originator_id if is_order else getattr(event, "order_id", None),
                execution_id=getattr(event, "execution_id", None),
                transfer_id=event.originator_id
                if fact.topic.startswith("Transfer.")
                else getattr(event, "transfer_id", None),
                text=describe(event),
            )
    return rows


def cash_moved(fact: Fact) -> Decimal | None:
    """What came into an account's cash by this fact; None when it is not about cash."""
    match fact.event:
        case Account.SaleCredited(amount=amount):
            return amount
        case Account.Deposited() | Account.WithdrawalPutBack():
            return fact.event.amount - fact.event.repaid
        case Account.DepositTakenBack():
            return fact.event.owed - fact.event.amount
        case Account.DividendPaid() | Account.InterestPaid() | Account.CashInLieuPaid():
            return fact.event.amount
        case Account.Withdrawn(amount=amount) | Account.PurchaseDebited(amount=amount):
            return -amount
        case Account.Reversed():
            moved = cash_moved(Fact(0, "", fact.event.original, b""))
            return None if moved is None else -moved
        case _:
            return None


def audit(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for fact in facts:
        said = msgspec.json.decode(fact.metadata)
        rows[fact.log_position,] = AuditRow(
            log_position=fact.log_position,
            account_id=fact.event.account_id,
            subject_id=fact.event.originator_id,
            topic=fact.topic,
            at=fact.event.recorded_at,
            actor=said["actor"],
            role=said["role"],
            origin_id=None,
            request_id=UUID(said["request_id"]),
            correlation_id=None,
            causation_id=None,
            idempotency_key=said.get("idempotency_key"),
            text=describe(fact.event),
            order_id=fact.event.originator_id
            if isinstance(fact.event, Order.FACTS)
            else getattr(fact.event, "order_id", None),
            symbol=getattr(getattr(fact.event, "terms", fact.event), "symbol", None),
            code=fact.event.reason if isinstance(fact.event, Order.Rejected) else None,
        )
    return rows


def settlements(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for account, history in lives(facts, Account):
        events = [fact for fact in history if hasattr(fact.event, "settles_on")]
        for day in {fact.event.settles_on for fact in events}:
            of_day = [fact for fact in events if fact.event.settles_on == day]
            trades = [f.event for f in of_day if not isinstance(f.event, Account.Settled)]
            last = of_day[-1]
            rows[account.id, day] = Settlement(
                account_id=account.id,
                settles_on=day,
                proceeds=sum((e.amount for e in trades if isinstance(e, Account.SaleCredited)), NOTHING),
                purchases=sum((e.amount for e in trades if isinstance(e, Account.PurchaseDebited)), NOTHING),
                trades=len(trades),
                settled_at=last.event.recorded_at if isinstance(last.event, Account.Settled) else None,
                updated_at=last.event.recorded_at,
                log_position=last.log_position,
            )
    return rows


def dividends(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for fact in facts:
        if isinstance(fact.event, Account.DividendEntitled):
            what, who = fact.event.entitlement, fact.event.account_id
            payments = [f for f in facts if isinstance(f.event, Account.DividendPaid)]
            paid = next(
                (p for p in payments if p.event.action_id == what.action_id and p.event.account_id == who),
                None,
            )
            event: Any = None if paid is None else paid.event
            rows[who, what.action_id] = DividendRow(
                account_id=who,
                **msgspec.structs.asdict(what),
                status="entitled" if paid is None else "paid",
                withheld=None if paid is None else event.withheld,
                amount=None if paid is None else event.amount,
                paid_at=None if paid is None else event.recorded_at,
                entitled_position=fact.log_position,
                log_position=fact.log_position if paid is None else paid.log_position,
            )
    return rows


def corporate_actions(facts: Sequence[Fact]) -> Rows:
    """What customers are given of them is in their own tables; the firm's is looked at where it is announced."""
    assert not any(isinstance(fact.event, CorporateAction.FACTS) for fact in facts)
    return {}


def blocks(facts: list[Fact]) -> dict[Any, Any]:
    """Nobody is blocked for a time here: what staff suspend stays so until they say otherwise."""
    assert not any(isinstance(fact.event, Account.Suspended) and fact.event.until for fact in facts)
    return {}


def cases(facts: list[Fact]) -> dict[Any, Any]:
    """Nobody watches here, so there are no cases."""
    assert not any(isinstance(fact.event, Case.FACTS) for fact in facts)
    return {}


TABLES = {
    "dividends": dividends,
    "corporate_actions": corporate_actions,
    "settlements": settlements,
    "balances": balances,
    "positions": positions,
    "orders": orders,
    "executions": executions,
    "activity": activity,
    "audit": audit,
    "journal": journal,
    "blocks": blocks,
    "cases": cases,
    **naive_over_time.TABLES,
    **naive_lots.TABLES,
}
