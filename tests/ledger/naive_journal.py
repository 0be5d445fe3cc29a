"""The journal, worked out from the log by adding up all postings before each."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.books import Sum
from domain.facts import name_of
from domain.journal import booked_on, effective_on, postings
from projections.journal import STANDING, JournalRow
from projections.projection import Fact


def journal(facts: Sequence[Fact]) -> dict[tuple[Any, ...], JournalRow]:
    rows: dict[tuple[Any, ...], JournalRow] = {}
    for account_id in {fact.event.account_id for fact in facts}:
        rows |= _of_account(account_id, [fact for fact in facts if fact.event.account_id == account_id])
    return rows


def _of_account(account_id: UUID, facts: Sequence[Fact]) -> dict[tuple[Any, ...], JournalRow]:
    rows: dict[tuple[Any, ...], JournalRow] = {}
    amounts: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    costs: defaultdict[tuple[str, str, str], Decimal | None] = defaultdict(lambda: None)
    for fact in facts:
        event = fact.event
        for number, line in enumerate(postings(event), 1):
            where = (line.book.value, line.account, line.commodity)
            amounts[where] += line.amount
            if line.cost is not None:
                costs[where] = (costs[where] or Decimal(0)) + line.cost
            rows[account_id, fact.log_position, number] = JournalRow(
                account_id=account_id,
                log_position=fact.log_position,
                line=number,
                book=where[0],
                account=where[1],
                commodity=where[2],
                amount=line.amount,
                cost=line.cost,
                lot_id=line.lot and line.lot.lot_id,
                acquired_at=line.lot and line.lot.acquired_at,
                balance=amounts[where],
                cost_balance=costs[where],
                effective_on=effective_on(event),
                booked_on=booked_on(event),
                recorded_at=event.recorded_at,
                event=name_of(type(event)),
                balances={},
            )
            last = rows[account_id, fact.log_position, number]
    if rows:
        left = {
            f"{book} {account.replace(str(account_id), '')} {commodity}": Sum(
                amount, costs[book, account, commodity]
            )
            for (book, account, commodity), amount in amounts.items()
            if amount or costs[book, account, commodity]
        }
        rows[account_id, STANDING, 0] = JournalRow(
            account_id=account_id,
            log_position=STANDING,
            line=0,
            book="",
            account="",
            commodity="",
            amount=Decimal(0),
            cost=None,
            lot_id=None,
            acquired_at=None,
            balance=Decimal(0),
            cost_balance=None,
            effective_on=last.effective_on,
            booked_on=last.booked_on,
            recorded_at=last.recorded_at,
            event="",
            balances=left,
        )
    return rows
