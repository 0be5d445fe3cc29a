"""Settles what is due, account by account: the scheduler's job, and the operator's command for any day."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import date
from typing import Any
from uuid import UUID

import structlog

from application import commands as c
from application.answers import Answer
from application.clock import Clock
from application.errors import Unavailable
from application.requests import Request
from application.rules import SettlementCycle
from domain.account.settling import require_due
from domain.errors import Refusal
from infrastructure.eventstore.committer import Committer
from infrastructure.postgres.connections import connect
from infrastructure.projecting.tables import column_list, row_from
from projections.catalogue import BY_NAME
from projections.settlements import DUE_THROUGH, Settlement

log = structlog.get_logger()

AT_ONCE = 1000
_BEFORE_ALL = (date.min, UUID(int=0))


class Settler:
    """Finds due settlements in the read table and has each account settle its own.

    It keeps nothing: what an account has settled is in the log, so it may be stopped anywhere and run again.
    """

    def __init__(self, url: str, *, committer: Committer, clock: Clock, cycle: SettlementCycle) -> None:
        self._url = url
        self._committer = committer
        self._clock = clock
        self._cycle = cycle

    def settle_today(self) -> int:
        """Settle all that is due by the clock. Returns how many accounts and days were settled."""
        try:
            today = self._cycle.dates(self._clock.now()).trade_date
        except Unavailable:
            return 0  # the market has not said what time it is
        return self.settle(today)

    def settle(self, through: date, *, progress: Callable[[int], Any] = lambda _: None) -> int:
        """Settle all that is due up to a day. Raises SettlementMustBeDue for one that has not come."""
        require_due(through, today=self._cycle.dates(self._clock.now()).trade_date)
        settled = 0
        for rows in self._due(through):
            futures = [self._submit(row.account_id, through) for row in rows]
            settled += sum(_settled(future) for future in futures)
            progress(settled)
        if settled:
            log.info("settled", settlements=settled, through=through.isoformat())
        return settled

    def _due(self, through: date) -> Iterator[list[Settlement]]:
        projection = BY_NAME["settlements"]
        sql = DUE_THROUGH.sql(column_list(projection.table)).encode()
        last = _BEFORE_ALL
        with connect(self._url, application="daybook settling") as connection:
            while True:
                wanted = {"day": through, "after_day": last[0], "after_account": last[1], "limit": AT_ONCE}
                found = [row_from(projection, row) for row in connection.execute(sql, wanted)]
                if not found:
                    return
                yield found
                last = (found[-1].settles_on, found[-1].account_id)

    def _submit(self, account_id: UUID, through: date) -> "Future[Answer]":
        return self._committer.submit(
            Request.by_role("scheduler", c.Settle(account_id=account_id, through=through))
        )


def _settled(future: "Future[Answer]") -> bool:
    try:
        future.result()
    except Refusal as refusal:
        log.warning("an account cannot be settled", code=refusal.code, error=refusal.detail)
        return False
    return True
