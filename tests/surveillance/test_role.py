"""The role on a real log: every alert becomes a case, once, however often the role dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from application import commands as c
from application.surveillance import Thresholds
from infrastructure.market.calendars import calendar_named
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from infrastructure.surveillance.following import Follower
from infrastructure.surveillance.unblocking import BlocksEnd
from tests.projecting.worked import Desk, place, project

D = Decimal
DAY = timedelta(days=1)


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    found = Desk(settings.database_url or "")
    yield found
    found.close()


def follower(desk: Desk, thresholds: Thresholds | None = None) -> Follower:
    return Follower(
        desk.url,
        committer=desk.committer,
        thresholds=thresholds or Thresholds(),
        day_of=calendar_named("always").day_of,
    )


def trips(desk: Desk, account_id: UUID, count: int, symbol: str = "KO") -> None:
    """So many round trips of a share."""
    for _ in range(count):
        for side in ("buy", "sell"):
            order_id = uuid4()
            desk.do(place(order_id, f"{side} 1 {symbol} limit", account_id=account_id, limit_price=D(10)))
            desk.do(
                c.ExecuteOrder(
                    account_id=account_id,
                    order_id=order_id,
                    execution_id=uuid4(),
                    quantity=D(1),
                    price=D(10),
                    venue="SIM",
                    quote=1,
                ),
                actor="executor",
                role="system",
            )


def events(desk: Desk, *topics: str) -> list[tuple[Any, ...]]:
    with connect(desk.url, application="test") as connection:
        found = connection.execute(
            "SELECT topic, account_id, originator_id, notification_id, metadata FROM stored_events"
            " WHERE topic = ANY(%s) ORDER BY notification_id",
            (list(topics),),
        )
        return found.fetchall()


def test_the_eleventh_round_trip_opens_a_case_and_blocks_for_a_day_by_the_clock(desk: Desk) -> None:
    account_id = desk.opened()
    trips(desk, account_id, 10)
    follower(desk).catch_up()
    assert events(desk, "Case.Opened", "Account.Suspended") == []

    trips(desk, account_id, 1)
    follower(desk).catch_up()
    follower(desk).catch_up()

    (case, suspended) = events(desk, "Case.Opened", "Account.Suspended")
    assert [case[0], suspended[0]] == ["Case.Opened", "Account.Suspended"]
    assert b'"actor":"surveillance"' in case[4]
    blocked_at = desk.time
    refused = _order(desk, account_id)
    assert refused.reason == "account_must_be_open_for_trading"
    assert f"until {(blocked_at + DAY).isoformat(timespec='seconds')}" in refused.detail

    project(desk.url)
    ends = BlocksEnd(desk.url, committer=desk.committer, clock=desk)
    desk.time = blocked_at + DAY - timedelta(seconds=1)
    assert ends.end() == 0
    assert _order(desk, account_id).reason == "account_must_be_open_for_trading"  # and a second is over
    assert ends.end() == 1
    assert ends.end() == 1  # the table is behind; the account knows better
    assert _order(desk, account_id).status == "accepted"
    project(desk.url)
    assert ends.end() == 0
    assert len(events(desk, "Account.Reinstated")) == 1


def _order(desk: Desk, account_id: UUID) -> Any:
    return desk.do(place(uuid4(), "buy 1 KO limit", account_id=account_id, limit_price=D(10)))


def test_a_second_follower_that_knows_nothing_finds_the_same_and_opens_nothing(desk: Desk) -> None:
    account_id = desk.opened()
    trips(desk, account_id, 12)
    follower(desk).catch_up()
    with connect(desk.url, application="test") as connection:
        connection.execute("DELETE FROM surveillance")

    follower(desk).catch_up()

    assert len(events(desk, "Case.Opened", "Account.Suspended")) == 2


def test_other_thresholds_raise_nothing_that_is_past_and_what_is_to_come(desk: Desk) -> None:
    account_id = desk.opened()
    trips(desk, account_id, 3)
    follower(desk).catch_up()

    low = Thresholds(round_trips_most=2, block_for=timedelta())
    follower(desk, low).catch_up()
    assert events(desk, "Case.Opened") == []
    desk.time += DAY
    trips(desk, account_id, 3)
    follower(desk, low).catch_up()

    assert len(events(desk, "Case.Opened")) == 1


def test_who_slept_for_a_year_and_withdraws_has_a_case_and_is_not_blocked(desk: Desk) -> None:
    account_id = desk.opened()
    desk.time += 366 * DAY
    desk.do(c.Settle(account_id=account_id, through=desk.time.date()), actor="scheduler", role="system")
    desk.do(c.Withdraw(account_id=account_id, transfer_id=uuid4(), amount=D("5.00")))
    follower(desk).catch_up()

    assert len(events(desk, "Case.Opened")) == 1
    assert events(desk, "Account.Suspended") == []


def test_what_it_remembers_survives_a_restart_in_the_middle_of_a_day(desk: Desk) -> None:
    account_id = desk.opened()
    for _ in range(11):
        trips(desk, account_id, 1)
        follower(desk).catch_up()

    assert len(events(desk, "Case.Opened")) == 1


def test_the_role_follows_and_another_takes_over_when_it_is_stopped(desk: Desk) -> None:
    account_id = desk.opened()
    stop = threading.Event()
    thread = threading.Thread(target=follower(desk).run, args=(stop,), daemon=True)
    thread.start()
    try:
        trips(desk, account_id, 11)
        _until(lambda: events(desk, "Case.Opened"))
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    with connect(desk.url, application="test") as connection:
        row = connection.execute("SELECT position FROM surveillance").fetchone()
    assert row is not None
    assert row[0] >= events(desk, "Case.Opened")[0][3] - 1


def test_each_alert_is_one_case_whenever_the_role_is_killed(desk: Desk, settings: Settings) -> None:
    """Twelve customers wash, three at a time; the role dies by -9 as soon as it has opened one case more.

    What it remembers is put down every ten seconds only, so each time it raises again what it had raised.
    """
    accounts = [desk.opened() for _ in range(12)]
    settings = structs.replace(settings, surveillance_round_trips=2)
    environment = {**os.environ, **settings.as_environment()}
    for first in range(0, 12, 3):
        before = len(events(desk, "Case.Opened"))
        role = subprocess.Popen(
            [sys.executable, "-m", "interfaces.cli.main", "surveillance"], env=environment
        )
        try:
            for account_id in accounts[first : first + 3]:
                trips(desk, account_id, 3)
            _until(lambda before=before: len(events(desk, "Case.Opened")) > before, seconds=60)
        finally:
            os.kill(role.pid, signal.SIGKILL)
            role.wait(10)

    follower(desk, Thresholds(round_trips_most=2)).catch_up()

    cases = events(desk, "Case.Opened")
    assert sorted(case[1] for case in cases) == sorted(accounts)
    assert len({case[2] for case in cases}) == 12


def _until(condition: Any, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
