"""What the read tables of lots, gains and transfers must hold, worked out by scanning the log."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from domain.account import Account
from domain.position import Lot, Position
from domain.transfer import Transfer
from domain.values import NOTHING
from projections.gains import GainRow
from projections.positions import LotRow
from projections.projection import Fact
from projections.sold import SoldLot
from projections.transfers import TransferRow

Rows = dict[tuple[Any, ...], Any]
CENT = Decimal("0.01")


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN)


def long_from(since: date) -> date:
    """The day after, a year on; a 29th of February that is not there is the 1st of March."""
    after = since + timedelta(days=1)
    text = f"{after.year + 1:04}-{after.month:02}-{after.day:02}"
    return date.fromisoformat(text if after.month != 2 or after.day != 29 else f"{after.year + 1:04}-03-01")


def washed(facts: Iterable[Fact], sale: UUID, lot: UUID) -> list[Fact]:
    kind = Position.WashSaleDisallowed
    return [
        fact
        for fact in facts
        if isinstance(fact.event, kind) and (fact.event.execution_id, fact.event.sold_lot_id) == (sale, lot)
    ]


def sold(facts: Sequence[Fact], event: Any) -> list[SoldLot]:
    """The lots of one sale, with what later facts have disallowed of their losses."""
    is_sale = isinstance(event, Position.LotsRelieved)
    money, left = (event.proceeds if is_sale else event.cash), (event.proceeds if is_sale else event.cash)
    day = (event.trade_date or event.recorded_at.date()) if is_sale else event.recorded_at.date()
    lots = []
    for number, relief in enumerate(event.relieved, 1):
        is_last = number == len(event.relieved)
        part = left if is_last else rounded(money * relief.quantity / event.quantity)
        left -= part
        bought = relief.trade_date or relief.acquired_at.date()
        since = relief.held_since or bought
        gone = washed(facts, event.execution_id, relief.lot_id) if is_sale else []
        disallowed = sum((fact.event.disallowed for fact in gone), NOTHING)
        lots.append(
            SoldLot(
                lot_id=relief.lot_id,
                quantity=relief.quantity,
                acquired_on=bought,
                held_since=since,
                proceeds=part,
                cost=relief.cost,
                wash_disallowed=disallowed,
                gain=part - relief.cost + disallowed,
                term="long" if day >= long_from(since) else "short",
            )
        )
    return lots


def gains(facts: Sequence[Fact]) -> Rows:
    rows: Rows = {}
    for fact in facts:
        event: Any = fact.event
        if not isinstance(event, Position.LotsRelieved | Position.FractionCashed):
            continue
        is_sale = isinstance(event, Position.LotsRelieved)
        sale_id = event.execution_id if is_sale else event.action_id
        day = (event.trade_date if is_sale else None) or event.recorded_at.date()
        for number, lot in enumerate(sold(facts, event), 1):
            later = washed(facts, sale_id, lot.lot_id) if is_sale else []
            rows[event.account_id, sale_id, lot.lot_id] = GainRow(
                account_id=event.account_id,
                sale_id=sale_id,
                lot_id=lot.lot_id,
                symbol=event.symbol,
                order_id=event.order_id if is_sale else None,
                quantity=lot.quantity,
                acquired_on=lot.acquired_on,
                held_since=lot.held_since,
                sold_on=day,
                proceeds=lot.proceeds,
                cost=lot.cost,
                wash_disallowed=lot.wash_disallowed,
                gain=lot.gain,
                term=lot.term,
                method=event.method if is_sale else "fifo",
                sold_position=fact.log_position,
                number=number,
                log_position=later[-1].log_position if later else fact.log_position,
            )
    return rows


def realised(facts: Sequence[Fact], position_id: UUID) -> dict[str, Decimal]:
    """A position's columns of what was realised."""
    mine = [fact for fact in facts if fact.event.originator_id == position_id]
    kinds = (Position.LotsRelieved, Position.FractionCashed)
    lots = [lot for fact in mine if isinstance(fact.event, kinds) for lot in sold(facts, fact.event)]
    return {
        "realised_short": sum((lot.gain for lot in lots if lot.term == "short"), NOTHING),
        "realised_long": sum((lot.gain for lot in lots if lot.term == "long"), NOTHING),
        "wash_disallowed": sum((lot.wash_disallowed for lot in lots), NOTHING),
    }


def lot_rows(lots: Sequence[Lot], facts: Sequence[Fact]) -> list[LotRow]:
    """Lots as the table has them: what of their cost is a disallowed loss shrinks with the shares that are sold."""
    share: dict[UUID, tuple[Decimal, Decimal]] = {}  # by lot: shares and what of their cost was disallowed
    for fact in facts:
        event: Any = fact.event
        if isinstance(event, Position.LotOpened):
            share[event.lot.lot_id] = (event.lot.quantity, NOTHING)
        if isinstance(event, Position.WashSaleDisallowed):
            quantity, disallowed = share[event.replacement_id]
            share[event.replacement_id] = (quantity - event.quantity, disallowed)
            share[event.lot.lot_id] = (event.quantity, event.disallowed)
        if isinstance(event, Position.Split):
            for lot in event.lots:
                share[lot.lot_id] = (lot.after, share[lot.lot_id][1])
        if isinstance(event, Position.LotsRelieved | Position.FractionCashed):
            for relief in event.relieved:
                quantity, disallowed = share[relief.lot_id]
                left = quantity - relief.quantity
                share[relief.lot_id] = (left, rounded(disallowed * left / quantity))
    return [
        LotRow(
            lot_id=lot.lot_id,
            quantity=lot.quantity,
            cost=lot.cost,
            acquired_at=lot.acquired_at,
            held_since=lot.held_since or lot.trade_date or lot.acquired_at.date(),
            long_term_from=long_from(lot.held_since or lot.trade_date or lot.acquired_at.date()),
            replaces=lot.replaces,
            disallowed=share[lot.lot_id][1],
        )
        for lot in lots
    ]


def transfers(facts: Sequence[Fact]) -> Rows:
    """Each transfer from its own facts and from the money that moved."""
    stories: dict[UUID, list[Fact]] = {}
    for fact in facts:
        event = fact.event
        if isinstance(event, Account.Deposited | Account.Withdrawn):
            stories.setdefault(event.transfer_id, []).append(fact)
        elif type(event) in Transfer.FACTS:
            stories.setdefault(event.originator_id, []).append(fact)
    return {(transfer_id,): _transfer(transfer_id, story) for transfer_id, story in stories.items()}


def _transfer(transfer_id: UUID, story: list[Fact]) -> TransferRow:
    first: Any = story[0].event
    told = {type(fact.event): fact for fact in story}
    at_once = isinstance(first, Account.Deposited | Account.Withdrawn)
    last = next((told[kind] for kind in reversed(Transfer.FACTS) if kind in told), story[0])
    names = {Transfer.Initiated: "initiated", Transfer.Failed: "failed", Transfer.Returned: "returned"}
    way = (
        ("deposit" if isinstance(first, Account.Deposited) else "withdrawal") if at_once else first.direction
    )
    completed = story[0] if at_once else told.get(Transfer.Completed)
    moment = {kind: told[kind].event.recorded_at if kind in told else None for kind in Transfer.FACTS}
    return TransferRow(
        transfer_id=transfer_id,
        account_id=first.account_id,
        direction=str(way),
        amount=first.amount,
        status=names.get(type(last.event), "completed"),
        reason=getattr(last.event, "reason", None),
        initiated_at=first.recorded_at,
        due_at=None if at_once else first.due_at,
        completed_at=completed.event.recorded_at if completed else None,
        failed_at=moment[Transfer.Failed],
        returned_at=moment[Transfer.Returned],
        updated_at=last.event.recorded_at,
        first_position=story[0].log_position,
        log_position=last.log_position,
    )


TABLES = {"gains": gains, "transfers": transfers}
