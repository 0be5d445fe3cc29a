"""The blocks that have yet to end: accounts that are suspended until a moment."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.aggregate import Event
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question


class BlockRow(Struct):
    """One account that is suspended for a time."""

    account_id: UUID
    until: datetime
    reason: str
    case_id: UUID | None
    since: datetime
    log_position: int


class Blocks(Projection):
    """One row an account, while its block lasts."""

    name = "blocks"
    version = 1
    row = BlockRow
    key_columns = ("account_id",)
    indexes = ("(until)",)
    ignores = (
        *(k for k in Account.FACTS if k not in (Account.Suspended, Account.Reinstated, Account.Closed)),
        *Order.FACTS,
        *Position.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """By account."""
        return (event.account_id,)

    @on(Account.Suspended)
    def suspended(self, event: Account.Suspended, rows: Rows[BlockRow]) -> None:
        """For a time: a block begins or lasts longer. For good: it will not end by itself any more."""
        key = self.key(event, rows.fact)
        if event.until is None:
            rows.remove(key)
            return
        row = BlockRow(
            account_id=event.account_id,
            until=event.until,
            reason=event.reason,
            case_id=event.case_id,
            since=event.recorded_at,
            log_position=rows.fact.log_position,
        )
        rows.add(key, row)

    @on(Account.Reinstated, Account.Closed)
    def ended(self, event: Event, rows: Rows[BlockRow]) -> None:
        """It is over."""
        rows.remove(self.key(event, rows.fact))


BLOCKS_ENDED = Question("blocks", BlockRow, "until <= %(moment)s ORDER BY until LIMIT %(limit)s")
"""The blocks that are over by a moment."""
