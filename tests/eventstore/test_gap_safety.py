"""A reader of "everything after N" skips nothing while two processes write; without the log lock it would."""

import random
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import pairwise
from typing import Any
from uuid import uuid4

from application import commands as c
from application.requests import Request
from domain.values import NOTHING
from infrastructure.eventstore.committer import Committer
from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import connect
from infrastructure.redis.market_clock import WallClock

SECONDS = 4.0
ROUNDS = 20


def write_in_order(url: str, seconds: float) -> None:
    """A committer with as much to do as it can, in batches of many sizes."""
    committer = Committer(url, clock=WallClock()).start()
    account_id = uuid4()
    committer.submit(_request(c.OpenAccount(account_id=account_id, owner_id=uuid4()))).result(60)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        deposits = [
            c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=NOTHING + 1)
            for _ in range(random.choice((1, 3, 30)))
        ]
        for future in [committer.submit(_request(deposit)) for deposit in deposits]:
            future.result(60)
    committer.stop()


def write_loosely(url: str, seconds: float) -> None:
    """What must not be done: positions from a sequence, taken outside the log lock."""
    end = time.monotonic() + seconds
    with connect(url, application="loose") as connection:
        while time.monotonic() < end:
            with connection.transaction():
                connection.execute(
                    "INSERT INTO stored_events SELECT nextval('loose'), gen_random_uuid(), 1, 'Account.Closed',"
                    " '{}', gen_random_uuid(), now(), '{}'"
                )
                time.sleep(random.choice((0, 0.001, 0.003)))


def _request(command: c.Command) -> Request:
    return Request.by_role("test", command)


def tail_while(url: str, writer: str, seconds: float) -> list[int]:
    """The positions a polling reader sees, in the order it sees them, while two processes write."""
    command = [sys.executable, __file__, writer, url, str(seconds)]
    seen: list[int] = []
    with connect(url, application="reader") as connection, ExitStack() as stack:
        writers = [stack.enter_context(subprocess.Popen(command)) for _ in range(2)]
        while True:
            has_ended = all(one.poll() is not None for one in writers)
            found = [row.log_position for row in read_after(connection, seen[-1] if seen else 0, limit=500)]
            seen += found
            if has_ended and not found:
                break
    assert [one.returncode for one in writers] == [0, 0]
    return seen


def stored(url: str) -> list[int]:
    """All positions of the log."""
    with connect(url, application="test") as connection:
        sql = "SELECT notification_id FROM stored_events ORDER BY notification_id"
        return [row[0] for row in connection.execute(sql).fetchall()]


def test_a_reader_sees_every_position_once_and_in_order_while_two_processes_write(database: Any) -> None:
    seen = tail_while(database.app_url, "in_order", SECONDS)

    assert seen == list(range(1, len(seen) + 1))
    assert seen == stored(database.app_url)
    with connect(database.app_url, application="test") as connection:
        rows = read_after(connection, 0, limit=1_000_000)
    by_writer = [row.account_id for row in rows]
    changes = sum(one != other for one, other in pairwise(by_writer))
    assert len(set(by_writer)) == 2
    assert changes > 20, "the writers did not take turns, so nothing was put to the test"
    assert all(one.recorded_at <= other.recorded_at for one, other in pairwise(rows))


def test_the_same_reader_is_caught_skipping_when_writers_do_not_take_the_log_lock(database: Any) -> None:
    with connect(database.owner_url, application="test") as connection:
        connection.execute("CREATE SEQUENCE loose")

    for _ in range(ROUNDS):
        seen = tail_while(database.owner_url, "loosely", 0.5)
        skipped = set(stored(database.owner_url)) - set(seen)
        if skipped:
            break

    assert skipped, "the reader of a log without order was never caught"


if __name__ == "__main__":
    {"in_order": write_in_order, "loosely": write_loosely}[sys.argv[1]](sys.argv[2], float(sys.argv[3]))
