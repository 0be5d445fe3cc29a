"""What a process needs that gives commands of its own: the scheduler, surveillance, an operator's command."""

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from infrastructure.auditing.keeping import DeedKeeper
from infrastructure.clocks import StampingClock
from infrastructure.correcting import Originals
from infrastructure.eventstore.committer import Committer, CommitterSettings
from infrastructure.figures import FIGURES
from infrastructure.funding.due import TransfersDue
from infrastructure.funding.simulated_ach import SimulatedAch
from infrastructure.postgres.connections import connect
from infrastructure.redis.wakeups import Announcer
from infrastructure.settings import Settings
from infrastructure.settling import Settler
from infrastructure.trading_rules import trading_rules
from infrastructure.wiring.urls import urls_of


def committer_settings(settings: Settings) -> CommitterSettings:
    """The committer's part of the settings."""
    return CommitterSettings(
        batch_limit=settings.batch_limit,
        queue_limit=settings.queue_limit,
        cache_aggregates=settings.cache_aggregates,
        rules=trading_rules(settings),
    )


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
        yield settler_of(settings, at_hand)


@contextmanager
def transfers_due(settings: Settings) -> Iterator[TransfersDue]:
    """What asks the bank for news, for a command of the operator's."""
    with deciding(settings) as at_hand:
        yield transfers_of(at_hand)


def transfers_of(at_hand: Deciding) -> TransfersDue:
    """What asks the bank for news."""
    return TransfersDue(
        at_hand.database_url, committer=at_hand.committer, clock=at_hand.clock, bank=SimulatedAch()
    )


def settler_of(settings: Settings, at_hand: Deciding) -> Settler:
    """What settles trades."""
    cycle = trading_rules(settings).cycle
    return Settler(at_hand.database_url, committer=at_hand.committer, clock=at_hand.clock, cycle=cycle)
