"""`/health` says how far behind each projection is, and what it has put aside."""

import asyncio
from typing import Any

from infrastructure.health import HealthCheck
from infrastructure.postgres.connections import async_pool
from infrastructure.redis.quotes import QuoteBoard
from tests.projecting.test_parking import _append
from tests.projecting.worked import Desk, project, work


def test_parked_accounts_show_in_health(desk: Desk, redis_url: str) -> None:
    work(desk)
    _append(desk, "Account.Teleported", b"{}")
    project(desk.url)
    desk.opened()

    async def ask() -> Any:
        async with async_pool(desk.url, application="test", size=1) as pool:
            check = HealthCheck(
                pool, redis_url, quotes=QuoteBoard(redis_url), waiting=lambda: 0, session=lambda: None
            )
            try:
                return await check.check()
            finally:
                await check.close()

    found = asyncio.run(ask())

    assert found.ok
    assert {(one.position, one.lag, one.parked, one.failure) for one in found.projections} == {
        (42, 2, 1, None)
    }
