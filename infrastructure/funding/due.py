"""Asks the bank what has become of transfers, and tells the log: nothing twice, and nothing is lost by a crash.

What is to be asked about stands in the table of transfers; what the bank says becomes a command, and the transfer
itself knows what it has been told before. So the job remembers nothing, and may run anywhere at any time.
"""

from collections.abc import Iterable
from concurrent.futures import Future
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from application import commands as c
from application.answers import Answer
from application.clock import Clock
from application.errors import Unavailable
from application.funding import Bank, News, SentTransfer
from application.requests import Request
from domain.errors import Refusal
from domain.transfer import Direction, TransferStatus
from infrastructure.eventstore.committer import Committer
from infrastructure.postgres.connections import connect
from infrastructure.projecting.tables import column_list, row_from
from projections.catalogue import BY_NAME
from projections.questions import Question
from projections.transfers import TRANSFERS_DUE, TRANSFERS_THAT_MAY_COME_BACK, TransferRow

log = structlog.get_logger()

AT_ONCE = 1000


class TransfersDue:
    """Takes the bank's news into the log."""

    def __init__(self, url: str, *, committer: Committer, clock: Clock, bank: Bank) -> None:
        self._url = url
        self._committer = committer
        self._clock = clock
        self._bank = bank

    def run(self) -> int:
        """Take in all news there are. Returns how many transfers they were of."""
        try:
            now = self._clock.now()
        except Unavailable:
            return 0  # the market has not said what time it is
        told = self._take_in(TRANSFERS_DUE, now, {})
        parts = [Decimal(cents) / 100 for cents in self._bank.return_cents()]
        if parts:
            told += self._take_in(TRANSFERS_THAT_MAY_COME_BACK, now, {"parts": parts})
        if told:
            log.info("transfers have news", transfers=told)
        return told

    def _take_in(self, question: Question[TransferRow], now: datetime, parameters: dict[str, Any]) -> int:
        told = 0
        seen: set[UUID] = set()  # the table may not yet show what has just been told
        while found := self._with_news(self._ask(question, now, parameters), now, seen):
            futures = [self._submit(row, news) for row, news in found]
            told += sum(_is_taken(future) for future in futures)
        return told

    def _with_news(
        self, rows: Iterable[TransferRow], now: datetime, seen: set[UUID]
    ) -> list[tuple[TransferRow, News]]:
        found = []
        for row in rows:
            news = None if row.transfer_id in seen else self._bank.news(_sent(row), now=now)
            if news is not None:
                seen.add(row.transfer_id)
                found.append((row, news))
        return found

    def _ask(
        self, question: Question[TransferRow], now: datetime, parameters: dict[str, Any]
    ) -> list[TransferRow]:
        projection = BY_NAME["transfers"]
        sql = question.sql(column_list(projection.table)).encode()
        with connect(self._url, application="daybook funding") as connection:
            found = connection.execute(sql, {"moment": now, "limit": AT_ONCE, **parameters}).fetchall()
        return [row_from(projection, values) for values in found]

    def _submit(self, row: TransferRow, news: News) -> "Future[Answer]":
        return self._committer.submit(Request.by_role("scheduler", command_of(row, news)))


def command_of(row: TransferRow, news: News) -> c.TransferCommand:
    """What tells the log the bank's news."""
    ids = {"account_id": row.account_id, "transfer_id": row.transfer_id}
    if news.status is TransferStatus.COMPLETED:
        return c.CompleteTransfer(**ids)
    if news.status is TransferStatus.FAILED:
        return c.FailTransfer(**ids, reason=news.reason)
    return return_of(row, news.reason)


def return_of(row: TransferRow, reason: str) -> c.ReturnTransfer:
    """What says that a transfer of the table was returned."""
    return c.ReturnTransfer(
        account_id=row.account_id,
        transfer_id=row.transfer_id,
        reason=reason,
        direction=Direction(row.direction),
        amount=row.amount,
    )


def _sent(row: TransferRow) -> SentTransfer:
    return SentTransfer(
        transfer_id=row.transfer_id,
        account_id=row.account_id,
        direction=Direction(row.direction),
        amount=row.amount,
        initiated_at=row.initiated_at,
        due_at=row.due_at or row.initiated_at,
        completed_at=row.completed_at,
    )


def _is_taken(future: "Future[Answer]") -> bool:
    try:
        future.result()
    except Refusal as refusal:
        log.warning("a transfer's news were refused", code=refusal.code, detail=refusal.detail)
        return False
    return True
