"""Deeds are written off the hot path, none twice, and none is lost that somebody waited for."""

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from application import commands as c
from application.requests import Request
from domain.errors import Refusal
from infrastructure.auditing.deeds import LONGEST_JSON, Deed, as_json, bounded
from infrastructure.auditing.keeping import DeedKeeper, DeedsMustBeKept, keeping
from infrastructure.eventstore.committer import Committer
from tests.conftest import Database
from tests.projecting.worked import ANN, Desk, request


def deed(number: int = 0) -> Deed:
    return Deed(
        log_position=1, kind="act", topic="daybook test", actor="operator", role="system", text=str(number)
    )


def kept(database: Database) -> list[Any]:
    with psycopg.connect(database.app_url) as connection:
        return connection.execute("SELECT text, deed_id, code, topic FROM deeds ORDER BY number").fetchall()


def test_what_waits_is_written_before_the_end(database: Database) -> None:
    keeper = DeedKeeper(database.app_url).start()
    for number in range(2_500):
        keeper.keep(deed(number))
    keeper.stop()
    assert [text for text, *_ in kept(database)] == [str(number) for number in range(2_500)]
    with pytest.raises(DeedsMustBeKept):
        keeper.keep(deed())


def test_whoever_waits_is_told_once_it_is_durable(database: Database) -> None:
    with keeping(database.app_url) as keeper:
        one = deed(7)
        keeper.wait(one).result(10)
        assert [deed_id for _, deed_id, *_ in kept(database)] == [one.deed_id]


def test_there_is_an_end_to_the_room(database: Database) -> None:
    keeper = DeedKeeper(database.app_url, room=3)
    for number in range(3):
        keeper.keep(deed(number))
    with pytest.raises(DeedsMustBeKept):
        keeper.keep(deed(3))
    keeper.start()
    keeper.stop()
    assert len(kept(database)) == 3


def test_one_that_cannot_be_written_takes_no_other_with_it(database: Database) -> None:
    keeper = DeedKeeper(database.app_url)
    keeper.keep(deed(1))
    wrong = keeper.wait(replace(deed(2), request="{no json"))
    right = keeper.wait(deed(3))
    keeper.start()
    with pytest.raises(DeedsMustBeKept):
        wrong.result(10)
    right.result(10)
    keeper.stop()
    assert [text for text, *_ in kept(database)] == ["1", "3"]


def test_a_database_that_is_away_refuses_who_waits_and_keeps_the_rest(database: Database) -> None:
    keeper = DeedKeeper("postgresql:///nothing?host=/nowhere/at/all", patience=0.3).start()
    keeper.keep(deed(1))
    waiting = keeper.wait(deed(2))
    with pytest.raises(DeedsMustBeKept):
        waiting.result(10)
    keeper._url = database.app_url  # it is back
    keeper.stop()
    assert [text for text, *_ in kept(database)] == ["1"]


def test_a_connection_that_is_lost_doubles_nothing(database: Database) -> None:
    stop = threading.Event()

    def cut() -> None:
        with psycopg.connect(database.app_url, autocommit=True) as connection:
            while not stop.wait(0.05):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'daybook deeds' AND datname = current_database()"
                )

    cutting = threading.Thread(target=cut)
    cutting.start()
    keeper = DeedKeeper(database.app_url).start()
    wanted = [deed(number) for number in range(300)]
    for one in wanted:
        keeper.keep(one)
        time.sleep(0.005)
    stop.set()
    cutting.join()
    keeper.stop()
    assert [deed_id for _, deed_id, *_ in kept(database)] == [one.deed_id for one in wanted]


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    one = Desk(database.app_url)
    yield one
    one.close()


def test_what_our_own_roles_are_refused_is_kept_and_what_succeeds_is_not(
    database: Database, desk: Desk
) -> None:
    keeper = DeedKeeper(database.app_url).start()
    committer = Committer(database.app_url, clock=desk, on_refused=keeper.refused).start()
    committer.submit(request(c.OpenAccount(account_id=ANN, owner_id=uuid4()))).result(10)
    nothing = c.ExpireOrder(account_id=ANN, order_id=UUID(int=99))
    with pytest.raises(Refusal):
        committer.submit(Request.by_role("scheduler", nothing)).result(10)
    committer.stop()
    keeper.stop()
    assert [(code, topic) for _, _, code, topic in kept(database)] == [("order_must_exist", "ExpireOrder")]


def test_texts_are_bounded_and_have_no_address() -> None:
    assert bounded("asked by a.person@example.com") == "redacted"
    assert bounded("a\x00b\nc") == "a b c"
    assert len(bounded("x" * 10_000)) == 500
    assert len(as_json(["x" * LONGEST_JSON])) < 100
