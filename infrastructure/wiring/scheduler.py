"""The scheduler role's part."""

import threading

from infrastructure.bookkeeping.days import steps_of_a_day
from infrastructure.bookkeeping.keeper import Keeper
from infrastructure.eventstore.account_snapshots import AccountSnapshotter
from infrastructure.eventstore.snapshots import Snapshotter
from infrastructure.market.calendars import calendar_named
from infrastructure.redis.figures import telling_figures
from infrastructure.scheduling import Job, Jobs, SessionEnds, purge_expired
from infrastructure.settings import Settings
from infrastructure.surveillance.unblocking import BlocksEnd
from infrastructure.wiring.deciding import Deciding, deciding, settler_of, transfers_of
from infrastructure.wiring.urls import urls_of


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


def _jobs(settings: Settings, at_hand: Deciding) -> list[Job]:
    """Everything the scheduler does, and how often."""
    url, committer, clock = at_hand.database_url, at_hand.committer, at_hand.clock
    calendar = calendar_named(settings.calendar)
    ends = SessionEnds(url, committer=committer, clock=clock, calendar=calendar)
    return [
        Job("expire", 0.5, ends.expire),
        Job("settle", 1, settler_of(settings, at_hand).settle_today),
        Job("transfers", 1, transfers_of(at_hand).run),
        Job("blocks", 1, BlocksEnd(url, committer=committer, clock=clock).end),
        Job("snapshot", 30, Snapshotter(url, every=settings.snapshot_every).take),
        Job("account snapshot", 10, AccountSnapshotter(url, every=settings.account_snapshot_every).take),
        Job("purge", 3600, lambda: purge_expired(url)),
    ]
