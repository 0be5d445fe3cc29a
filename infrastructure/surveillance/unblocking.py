"""Ends blocks whose time is over: a job of the scheduler."""

from typing import Any
from uuid import UUID

import structlog

from application.casework import EndBlock
from application.clock import Clock
from application.errors import Unavailable
from application.requests import Request
from domain.errors import Refusal
from infrastructure.eventstore.committer import Committer
from infrastructure.postgres.connections import connect
from infrastructure.projecting.tables import column_list, row_from
from projections.blocks import BLOCKS_ENDED, BlockRow
from projections.catalogue import BY_NAME

log = structlog.get_logger()

AT_ONCE = 500


class BlocksEnd:
    """Reinstates by the clock that stamps facts. The account itself knows whether its block is over."""

    def __init__(self, url: str, *, committer: Committer, clock: Clock) -> None:
        self._url = url
        self._committer = committer
        self._clock = clock

    def end(self) -> int:
        """End what is over. Returns how many accounts were told."""
        try:
            now = self._clock.now()
        except Unavailable:
            return 0  # the market has not said what time it is
        ended = 0
        seen: set[UUID] = set()  # the table may not yet show what has just been ended
        while due := [row for row in self._due(now) if row.account_id not in seen]:
            seen.update(row.account_id for row in due)
            futures = [self._committer.submit(_request(row)) for row in due]
            ended += sum(_is_ended(future) for future in futures)
        if ended:
            log.info("blocks ended", accounts=ended)
        return ended

    def _due(self, now: Any) -> list[BlockRow]:
        projection = BY_NAME["blocks"]
        sql = BLOCKS_ENDED.sql(column_list(projection.table)).encode()
        with connect(self._url, application="daybook scheduler") as connection:
            found = connection.execute(sql, {"moment": now, "limit": AT_ONCE}).fetchall()
        return [row_from(projection, values) for values in found]


def _request(row: BlockRow) -> Request:
    return Request.by_role("scheduler", EndBlock(account_id=row.account_id))


def _is_ended(future: Any) -> bool:
    try:
        future.result()
    except Refusal as refusal:
        log.warning("a block cannot be ended", code=refusal.code, detail=refusal.detail)
        return False
    return True
