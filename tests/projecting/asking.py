"""Questions put to the read tables the way the API does it."""

import asyncio
from typing import Any

from infrastructure.postgres.connections import async_pool
from infrastructure.reading import News, Reads
from projections.questions import Question
from tests.projecting.worked import Desk

NOWHERE = "redis://127.0.0.1:1/0"


def ask(desk: Desk, question: Question[Any], **parameters: Any) -> list[Any]:
    """The rows of the answer; with `min_position`, at that position of the log or later."""

    async def asked() -> list[Any]:
        async with async_pool(desk.url, application="test", size=1) as connections:
            log_end = desk.committer.log_position
            reads = Reads(connections, News(NOWHERE), patience=5, log_end=lambda: log_end)
            return (await reads.many(question, **parameters)).rows

    return asyncio.run(asked())
