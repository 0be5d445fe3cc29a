"""Puts the parts together for each role. Interfaces take what they need from here and know no driver."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg_pool import ConnectionPool

from application.answers import Answer
from application.errors import DatabaseMustAnswer
from application.requests import Request
from application.rules import TradingRules
from domain.book import Book
from domain.quotes import Session
from infrastructure.approvals import FourEyes
from infrastructure.auditing.desk import AuditDesk
from infrastructure.auditing.keeping import DeedKeeper
from infrastructure.bookkeeping.days import steps_of_a_day
from infrastructure.bookkeeping.keeper import Keeper
from infrastructure.books.downloads import Exports
from infrastructure.books.watching import BooksWatch
from infrastructure.clocks import StampingClock
from infrastructure.correcting import Originals
from infrastructure.eventstore.account_snapshots import AccountSnapshotter
from infrastructure.eventstore.committer import Committer, CommitterSettings
from infrastructure.eventstore.snapshots import Snapshotter
from infrastructure.executing.executor import Executor
from infrastructure.figures import FIGURES
from infrastructure.four_eyes import erasures_of, four_eyes_of, people_of, require_right_master
from infrastructure.funding.due import TransfersDue
from infrastructure.funding.simulated_ach import SimulatedAch
from infrastructure.health import HealthCheck
from infrastructure.market.calendars import calendar_named
from infrastructure.memory import keep_what_is_here
from infrastructure.metrics import MetricsPage
from infrastructure.news import News
from infrastructure.people import People
from infrastructure.postgres.connections import AsyncPool, async_pool, connect, pool
from infrastructure.privacy.erasing import Erasures
from infrastructure.privacy.forgetting import follow_erasures
from infrastructure.privacy.master import MasterKeys
from infrastructure.projecting.operating import ProjectionDesk, ProjectionStatus, RebuildJob
from infrastructure.projecting.runner import Projector
from infrastructure.reading import History, OrdersNow, Reads
from infrastructure.redis.channels import LOG_APPENDED, Subscription
from infrastructure.redis.figures import telling_figures
from infrastructure.redis.quotes import QuoteBoard
from infrastructure.redis.turn import Turn
from infrastructure.redis.wakeups import Announcer
from infrastructure.scheduling import Job, Jobs, SessionEnds, purge_expired
from infrastructure.sealing.desk import SealDesk
from infrastructure.sealing.running import RunningSealer
from infrastructure.settings import SettingIsWrong, Settings
from infrastructure.settling import Settler
from infrastructure.surveillance.casework import CaseDesk
from infrastructure.surveillance.unblocking import BlocksEnd
from infrastructure.trading_rules import trading_rules
from projections.catalogue import PROJECTIONS

T = TypeVar("T")


def urls_of(settings: Settings) -> tuple[str, str]:
    """The database's and Redis's URLs. Raises SettingIsWrong when one is not set."""
    if settings.database_url is None or settings.redis_url is None:
        raise SettingIsWrong("DAYBOOK_DATABASE_URL and DAYBOOK_REDIS_URL must be set, or `daybook up` run")
    return settings.database_url, settings.redis_url


def committer_settings(settings: Settings) -> CommitterSettings:
    """The committer's part of the settings."""
    return CommitterSettings(
        batch_limit=settings.batch_limit,
        queue_limit=settings.queue_limit,
        cache_aggregates=settings.cache_aggregates,
        rules=trading_rules(settings),
    )


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


class Projections:
    """The projection desk for an event loop."""

    def __init__(self, desk: ProjectionDesk) -> None:
        self._desk = desk

    async def status(self) -> list[ProjectionStatus]:
        """Where each stands."""
        return await self.ask(self._desk.status)

    async def ask(self, question: Callable[..., T], *parameters: Any) -> T:
        """What the desk answers; it may take its time."""
        try:
            return await asyncio.to_thread(question, *parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseMustAnswer("the database does not answer; try again") from error

    @property
    def desk(self) -> ProjectionDesk:
        """The desk itself, to be asked."""
        return self._desk

    def job(self, job_id: UUID) -> RebuildJob | None:
        """Work that was begun here."""
        return self._desk.job(job_id)


class Seals:
    """The desk of seals for an event loop."""

    def __init__(self, desk: SealDesk) -> None:
        self._desk = desk

    async def ask(self, question: Callable[..., T], *parameters: Any) -> T:
        """What the desk answers."""
        try:
            return await asyncio.to_thread(question, *parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseMustAnswer("the database does not answer; try again") from error

    @property
    def desk(self) -> SealDesk:
        """The desk itself, to be asked."""
        return self._desk


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


class RunningProjector:
    """A projector with the wake-ups it listens to and sends."""

    def __init__(self, settings: Settings) -> None:
        database_url, self._redis_url = urls_of(settings)
        self._wake = threading.Event()
        self._announcer = Announcer(self._redis_url)
        self._projector = Projector(
            database_url,
            PROJECTIONS,
            wake=self._wake,
            on_progress=self._announcer.projected,
            partitions=settings.projector_partitions,
        )
        self._watch = BooksWatch(database_url)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, stop: threading.Event) -> None:
        """Project until `stop` is set."""
        listener = threading.Thread(target=self._listen, args=(stop,), name="wake-ups", daemon=True)
        listener.start()
        watch = threading.Thread(target=self._watch.run, args=(stop,), name="books", daemon=True)
        watch.start()
        keep_what_is_here()
        with telling_figures(self._redis_url, "projector"):
            self._projector.run(stop)
        listener.join(timeout=2)
        watch.join(timeout=2)
        self._announcer.close()

    def start(self) -> "RunningProjector":
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, args=(self._stop,), name="projector", daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def stop(self) -> None:
        """End it and wait."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def _listen(self, stop: threading.Event) -> None:
        subscription = Subscription(self._redis_url, [LOG_APPENDED])
        while not stop.is_set():
            if subscription.get(timeout=0.2) is not None:
                self._wake.set()
        subscription.close()


def market_turn(settings: Settings) -> Turn:
    """The right to publish quotes."""
    if settings.redis_url is None:
        raise SettingIsWrong("DAYBOOK_REDIS_URL must be set, or `daybook up` run")
    return Turn(settings.redis_url)


def projector(settings: Settings) -> RunningProjector:
    """The projector role's part."""
    return RunningProjector(settings)


class RunningExecutor:
    """The executor with its committer."""

    def __init__(self, settings: Settings) -> None:
        self._database_url, self._redis_url = urls_of(settings)
        self._settings = settings

    def run(self, stop: threading.Event) -> None:
        """Execute until `stop` is set. Raises when it must be started anew."""
        with telling_figures(self._redis_url, "executor"):
            self._run(stop)

    def _run(self, stop: threading.Event) -> None:
        announcer = Announcer(self._redis_url)
        clock = StampingClock(self._settings, self._redis_url)
        deeds = DeedKeeper(self._database_url).start()
        committer = Committer(
            self._database_url,
            clock=clock,
            settings=committer_settings(self._settings),
            on_commit=announcer.appended,
            on_refused=deeds.refused,
        ).start()
        FIGURES.watch("commands_waiting", lambda: committer.waiting)
        try:
            Executor(
                database_url=self._database_url,
                redis_url=self._redis_url,
                committer=committer,
                book=Book(self._settings.stop_elected_by),
                tell_time=clock.tell,
            ).run(stop)
        finally:
            committer.stop()
            deeds.stop()
            announcer.close()
            clock.close()


def executor(settings: Settings) -> RunningExecutor:
    """The executor role's part."""
    return RunningExecutor(settings)


def sealer(settings: Settings) -> RunningSealer:
    """The sealer role's part."""
    if settings.database_url is None:
        raise SettingIsWrong("DAYBOOK_DATABASE_URL must be set, or `daybook up` run")
    return RunningSealer(settings, settings.database_url)


def run_scheduler(settings: Settings, stop: threading.Event) -> None:
    """Do what is due until `stop` is set."""
    with deciding(settings) as at_hand:
        keeper = Keeper(
            at_hand.database_url,
            urls_of(settings)[1],
            clock=at_hand.clock,
            calendar=calendar_named(settings.calendar),
            steps=steps_of_a_day(settings, at_hand.committer),
        )
        with telling_figures(urls_of(settings)[1], "scheduler"):
            Jobs(at_hand.database_url, _jobs(settings, at_hand), keeper=keeper).run(stop)


class Deciding(Struct, frozen=True):
    """What a process needs that gives commands of its own."""

    database_url: str
    committer: Committer
    clock: StampingClock


@contextmanager
def deciding(settings: Settings) -> Iterator[Deciding]:
    """A committer and the clock it stamps by, closed afterwards."""
    database_url, redis_url = urls_of(settings)
    announcer = Announcer(redis_url)
    clock = StampingClock(settings, redis_url)
    deeds = DeedKeeper(database_url).start()
    committer = Committer(
        database_url,
        clock=clock,
        settings=committer_settings(settings),
        on_commit=announcer.appended,
        on_refused=deeds.refused,
    ).start()
    FIGURES.watch("commands_waiting", lambda: committer.waiting)
    try:
        yield Deciding(database_url, committer, clock)
    finally:
        committer.stop()
        deeds.stop()
        announcer.close()
        clock.close()


def originals(settings: Settings) -> Originals:
    """What reads the facts that are to be taken back, for a command of the operator's."""
    url = urls_of(settings)[0]
    return Originals(lambda: connect(url, application="daybook correct"))


@contextmanager
def settler(settings: Settings) -> Iterator[Settler]:
    """What settles trades, for a command of the operator's."""
    with deciding(settings) as at_hand:
        yield _settler(settings, at_hand)


def _jobs(settings: Settings, at_hand: Deciding) -> list[Job]:
    """Everything the scheduler does, and how often."""
    url, committer, clock = at_hand.database_url, at_hand.committer, at_hand.clock
    calendar = calendar_named(settings.calendar)
    ends = SessionEnds(url, committer=committer, clock=clock, calendar=calendar)
    return [
        Job("expire", 0.5, ends.expire),
        Job("settle", 1, _settler(settings, at_hand).settle_today),
        Job("transfers", 1, _transfers_due(at_hand).run),
        Job("blocks", 1, BlocksEnd(url, committer=committer, clock=clock).end),
        Job("snapshot", 30, Snapshotter(url, every=settings.snapshot_every).take),
        Job("account snapshot", 10, AccountSnapshotter(url, every=settings.account_snapshot_every).take),
        Job("purge", 3600, lambda: purge_expired(url)),
    ]


@contextmanager
def transfers_due(settings: Settings) -> Iterator[TransfersDue]:
    """What asks the bank for news, for a command of the operator's."""
    with deciding(settings) as at_hand:
        yield _transfers_due(at_hand)


def _transfers_due(at_hand: Deciding) -> TransfersDue:
    return TransfersDue(
        at_hand.database_url, committer=at_hand.committer, clock=at_hand.clock, bank=SimulatedAch()
    )


def _settler(settings: Settings, at_hand: Deciding) -> Settler:
    cycle = trading_rules(settings).cycle
    return Settler(at_hand.database_url, committer=at_hand.committer, clock=at_hand.clock, cycle=cycle)
