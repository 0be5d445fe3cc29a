"""Surveillance as the settings want it: the role, the look back over the whole log, and the desk of the command line."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from domain.case import Alert
from infrastructure.eventstore.committer import Committer
from infrastructure.four_eyes import people_of
from infrastructure.market.calendars import calendar_named
from infrastructure.people import People
from infrastructure.postgres.connections import async_pool, connect
from infrastructure.privacy.master import MasterKeys
from infrastructure.redis.figures import telling_figures
from infrastructure.settings import Settings
from infrastructure.surveillance.casework import CaseDesk
from infrastructure.surveillance.following import Follower, keep
from infrastructure.surveillance.replaying import Found, replay
from infrastructure.surveillance.terms import thresholds_of
from infrastructure.wiring.deciding import deciding
from infrastructure.wiring.urls import urls_of


def run_surveillance(settings: Settings, stop: threading.Event) -> None:
    """Follow the log until `stop` is set."""
    with deciding(settings) as at_hand, telling_figures(urls_of(settings)[1], "surveillance"):
        follower(settings, at_hand.committer).run(stop)


def follower(settings: Settings, committer: Committer) -> Follower:
    """What follows the log."""
    return Follower(
        urls_of(settings)[0],
        committer=committer,
        thresholds=thresholds_of(settings),
        day_of=calendar_named(settings.calendar).day_of,
    )


def look_back(
    settings: Settings,
    *,
    since: int,
    each: Callable[[Found], Any],
    progress: Callable[[int, int], Any],
) -> list[Alert]:
    """Tell `each` alert of the log from a position on. Returns those without a case."""
    missing = []
    with connect(urls_of(settings)[0], application="daybook surveillance run") as connection:
        day_of, thresholds = calendar_named(settings.calendar).day_of, thresholds_of(settings)
        for found in replay(connection, thresholds, day_of, since=since, progress=progress):
            each(found)
            if not found.has_case:
                missing.append(found.alert)
    return missing


def record(settings: Settings, alerts: list[Alert]) -> int:
    """Open a case for each alert, as the role does. Returns how many were new."""
    with deciding(settings) as at_hand:
        return keep(at_hand.committer, alerts, thresholds_of(settings))


class CaseOffice(Struct, frozen=True, kw_only=True):
    """What the command line works cases with."""

    people: People
    desk: CaseDesk
    committer: Committer


@asynccontextmanager
async def case_office(settings: Settings) -> AsyncIterator[CaseOffice]:
    """Open what working on cases needs, and close it again. Raises MasterKeyMustBeGiven, MasterKeyMustBeRight."""
    masters, giving = MasterKeys.of(settings), deciding(settings)
    at_hand = await asyncio.to_thread(giving.__enter__)
    try:
        async with async_pool(at_hand.database_url, application="daybook cases", size=2) as pool:
            people = people_of(settings, pool, masters)
            try:
                await people.require_right_master()
                yield CaseOffice(people=people, desk=CaseDesk(pool, people), committer=at_hand.committer)
            finally:
                people.close()
    finally:
        await asyncio.to_thread(giving.__exit__, None, None, None)
