"""What the api role works with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Generic, TypeVar
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg_pool import ConnectionPool

from application.answers import Answer
from application.errors import DatabaseMustAnswer
from application.requests import Request
from application.rules import TradingRules
from domain.quotes import Session
from infrastructure.approvals import FourEyes
from infrastructure.auditing.desk import AuditDesk
from infrastructure.auditing.keeping import DeedKeeper
from infrastructure.books.downloads import Exports
from infrastructure.clocks import StampingClock
from infrastructure.correcting import Originals
from infrastructure.eventstore.committer import Committer
from infrastructure.figures import FIGURES
from infrastructure.four_eyes import erasures_of, four_eyes_of, people_of, require_right_master
from infrastructure.health import HealthCheck
from infrastructure.market.calendars import calendar_named
from infrastructure.metrics import MetricsPage
from infrastructure.news import News
from infrastructure.people import People
from infrastructure.postgres.connections import AsyncPool, async_pool, pool
from infrastructure.privacy.erasing import Erasures
from infrastructure.privacy.forgetting import follow_erasures
from infrastructure.privacy.master import MasterKeys
from infrastructure.projecting.operating import ProjectionDesk, ProjectionStatus, RebuildJob
from infrastructure.reading import History, OrdersNow, Reads
from infrastructure.redis.quotes import QuoteBoard
from infrastructure.redis.wakeups import Announcer
from infrastructure.sealing.desk import SealDesk
from infrastructure.settings import Settings
from infrastructure.surveillance.casework import CaseDesk
from infrastructure.wiring.deciding import committer_settings
from infrastructure.wiring.urls import urls_of

T = TypeVar("T")
D = TypeVar("D")


class Commands:
    """The way in for an event loop."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    async def execute(self, request: Request) -> Answer:
        """The command's answer once it is durable. Raises its Refusal, or an Unavailable."""
        return await self._committer.submit_async(request)

    @property
    def waiting(self) -> int:
        """Commands in the queue."""
        return self._committer.waiting

    @property
    def log_position(self) -> int:
        """The last position the committer has seen."""
        return self._committer.log_position


class AsyncDesk(Generic[D]):
    """A desk for an event loop: what it answers may take its time."""

    def __init__(self, desk: D) -> None:
        self._desk = desk

    async def ask(self, question: Callable[..., T], *parameters: Any) -> T:
        """What the desk answers. Raises DatabaseMustAnswer."""
        try:
            return await asyncio.to_thread(question, *parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseMustAnswer("the database does not answer; try again") from error

    @property
    def desk(self) -> D:
        """The desk itself, to be asked."""
        return self._desk


class Projections(AsyncDesk[ProjectionDesk]):
    """The desk of projections."""

    async def status(self) -> list[ProjectionStatus]:
        """Where each stands."""
        return await self.ask(self._desk.status)

    def job(self, job_id: UUID) -> RebuildJob | None:
        """Work that was begun here."""
        return self._desk.job(job_id)


class Seals(AsyncDesk[SealDesk]):
    """The desk of seals."""


class ApiParts(Struct, frozen=True, kw_only=True):
    """Everything the HTTP interface works with."""

    settings: Settings
    clock: StampingClock
    rules: TradingRules
    commands: Commands
    reads: Reads
    orders: OrdersNow
    people: People
    four_eyes: FourEyes
    cases: CaseDesk
    erasures: Erasures
    quotes: QuoteBoard
    history: History
    originals: Originals
    exports: Exports
    projections: Projections
    seals: Seals
    health: HealthCheck
    metrics: MetricsPage
    deeds: DeedKeeper
    audit: AuditDesk

    def today(self) -> date:
        """The day by the exchange. Raises MarketClockMustRun."""
        return calendar_named(self.settings.calendar).day_of(self.clock.now())

    def session(self) -> Session | None:
        """Where the market stands in its calendar."""
        return self.clock.session


@asynccontextmanager
async def api_parts(settings: Settings) -> AsyncIterator[ApiParts]:
    """Open everything the HTTP interface needs, and close it again."""
    database_url, redis_url = urls_of(settings)
    masters = MasterKeys.of(settings)
    announcer, clock = Announcer(redis_url), StampingClock(settings, redis_url)
    decides_by = committer_settings(settings)
    committer = Committer(
        database_url, clock=clock, settings=decides_by, on_commit=announcer.appended
    ).start()
    news, quotes = News(redis_url), QuoteBoard(redis_url)
    async_connections = async_pool(database_url, application="daybook api")
    connections = pool(database_url, application="daybook api history", size=2)
    commands = Commands(committer)
    people = people_of(settings, async_connections, masters)
    erasures = erasures_of(settings, async_connections, commands.execute, announcer)
    health = HealthCheck(
        async_connections,
        redis_url,
        quotes=quotes,
        waiting=lambda: commands.waiting,
        session=lambda: clock.session,
    )
    metrics = MetricsPage(async_connections, redis_url, health)
    deeds = DeedKeeper(database_url).start()
    FIGURES.watch("commands_waiting", lambda: committer.waiting)
    followers: list[asyncio.Task[None]] = []
    try:
        await _open(async_connections, connections, people)
        followers += _begin(news.follow(), quotes.follow(), follow_erasures(redis_url, people))
        yield ApiParts(
            settings=settings,
            clock=clock,
            rules=decides_by.rules,
            commands=commands,
            reads=Reads(
                async_connections,
                news,
                patience=settings.position_wait,
                log_end=lambda: commands.log_position,
            ),
            orders=OrdersNow(async_connections, news),
            people=people,
            four_eyes=four_eyes_of(async_connections, commands.execute, erasures),
            cases=CaseDesk(async_connections, people),
            erasures=erasures,
            quotes=quotes,
            history=History(connections, clock.now),
            originals=Originals(connections.connection),
            exports=Exports(database_url, clock.now),
            projections=Projections(ProjectionDesk(database_url)),
            seals=Seals(SealDesk(connections.connection)),
            health=health,
            metrics=metrics,
            deeds=deeds,
            audit=AuditDesk(database_url, connections, masters, reporter=settings.cat_reporter),
        )
    finally:
        await _end(followers)
        await asyncio.to_thread(committer.stop)
        await asyncio.to_thread(deeds.stop)
        await metrics.close()
        await health.close()
        await _close(async_connections, connections)
        _let_go(announcer, clock)


async def _open(async_connections: AsyncPool, connections: ConnectionPool[Any], people: People) -> None:
    await async_connections.open()
    await asyncio.to_thread(connections.open)
    await require_right_master(people)


async def _close(async_connections: AsyncPool, connections: ConnectionPool[Any]) -> None:
    await async_connections.close()
    await asyncio.to_thread(connections.close)


def _let_go(announcer: Announcer, clock: StampingClock) -> None:
    announcer.close()
    clock.close()


def _begin(*follow: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(each) for each in follow]


async def _end(followers: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until they have ended: a cancellation that meets a finished send can be lost on its way."""
    for follower in followers:
        while not follower.done():
            follower.cancel()
            await asyncio.wait([follower], timeout=0.1)
