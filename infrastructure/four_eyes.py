"""Puts together what handles people: log-ins, what takes four eyes, and erasures."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from application.errors import Unavailable
from infrastructure.approvals import LARGEST_ID, Approval, ApprovalMustExist, FourEyes
from infrastructure.clocks import StampingClock
from infrastructure.eventstore.committer import Committer
from infrastructure.people import People
from infrastructure.postgres.connections import AsyncPool, async_pool
from infrastructure.privacy.erasing import Erasures
from infrastructure.privacy.master import MasterKeys
from infrastructure.redis.wakeups import Announcer
from infrastructure.reinstating import Execute, Reinstatements
from infrastructure.settings import Settings

PAGE = 200


class ErasureDesk(Struct, frozen=True, kw_only=True):
    """What the command line erases people with."""

    people: People
    four_eyes: FourEyes
    erasures: Erasures

    async def require_erasure(self, approval_id: UUID) -> None:
        """Raise ApprovalMustExist when an erasure is not what was asked for under this id."""
        asked = await self.four_eyes.get(approval_id)
        if asked.kind != "erasure":
            raise ApprovalMustExist(f"no erasure was asked for under {approval_id}: it is a {asked.kind}")

    async def requests(self) -> AsyncIterator[Approval]:
        """Every erasure that was asked for, newest first."""
        before = (datetime.max.replace(tzinfo=UTC), LARGEST_ID)
        while found := await self.four_eyes.page(kind="erasure", before=before, limit=PAGE):
            for one in found:
                yield one
            before = (found[-1].requested_at, found[-1].approval_id)


def people_of(settings: Settings, connections: AsyncPool, masters: MasterKeys) -> People:
    """Those who may log in, on a pool."""
    return People(connections, masters, login_hours=settings.login_hours, visitor_days=settings.visitor_days)


def erasures_of(
    settings: Settings, connections: AsyncPool, execute: Execute, announcer: Announcer
) -> Erasures:
    """What erases people."""
    return Erasures(
        connections,
        execute,
        tell=announcer.erased,
        kept_years=settings.erasure_earliest_years,
        final_days=settings.transfers_final_days,
    )


def four_eyes_of(connections: AsyncPool, execute: Execute, erasures: Erasures) -> FourEyes:
    """Every deed that takes two members of staff."""
    return FourEyes(connections, {"erasure": erasures, "reinstatement": Reinstatements(connections, execute)})


async def require_right_master(people: People) -> None:
    """Refuse to start with a wrong master key; while PostgreSQL is away nothing can be said of it."""
    with contextlib.suppress(Unavailable):
        await people.require_right_master()


@asynccontextmanager
async def erasure_desk(settings: Settings, urls: tuple[str, str]) -> AsyncIterator[ErasureDesk]:
    """Open what erasing needs, and close it again. Raises MasterKeyMustBeGiven, MasterKeyMustBeRight."""
    database_url, redis_url = urls
    masters = MasterKeys.of(settings)
    announcer, clock = Announcer(redis_url), StampingClock(settings, redis_url)
    committer = Committer(database_url, clock=clock, on_commit=announcer.appended).start()
    try:
        async with async_pool(database_url, application="daybook erase", size=2) as pool:
            people = people_of(settings, pool, masters)
            await people.require_right_master()
            erasures = erasures_of(settings, pool, committer.submit_async, announcer)
            four_eyes = four_eyes_of(pool, committer.submit_async, erasures)
            yield ErasureDesk(people=people, four_eyes=four_eyes, erasures=erasures)
            people.close()
    finally:
        await asyncio.to_thread(committer.stop)
        announcer.close()
        clock.close()
