"""People without HTTP: logins believed for a while, origins, and what is kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from infrastructure import people as module
from infrastructure.credentials import CredentialsMustBeRight, EmailMustNotBeTaken, PeopleMustBeKnown
from infrastructure.known import Known
from infrastructure.people import People
from infrastructure.postgres.connections import async_pool
from infrastructure.privacy.master import MasterKeys
from tests.conftest import MASTER_KEY, Database

PASSWORD = "a long enough one"


@asynccontextmanager
async def people_of(database: Database, **options: Any) -> AsyncIterator[People]:
    async with async_pool(database.app_url, application="test") as pool:
        found = People(pool, MasterKeys(text=MASTER_KEY), **options)
        try:
            yield found
        finally:
            found.close()


def rows(database: Database, sql: str) -> list[Any]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_neither_password_nor_token_is_kept(database: Database) -> None:
    async def live() -> str:
        async with people_of(database) as people:
            await people.register("a@example.com", PASSWORD, "A")
            token, _, user = await people.log_in("A@EXAMPLE.com", PASSWORD)
            login = await people.authenticate(token)
            assert login is not None
            assert (login.user_id, login.account_id) == (user.user_id, user.account_id)
            return token

    token = asyncio.run(live())

    kept = str(rows(database, "SELECT u::text, s::text FROM users u JOIN sessions s USING (user_id)"))
    assert "argon2id" not in kept
    assert PASSWORD not in kept
    assert token not in kept


def test_of_two_that_register_an_address_at_once_one_gets_it(database: Database) -> None:
    async def live() -> list[Any]:
        async with people_of(database) as people:
            tries = (people.register(each, PASSWORD, "A") for each in ("a@example.com", "A@example.com"))
            return await asyncio.gather(*tries, return_exceptions=True)

    outcomes = asyncio.run(live())

    assert sorted(isinstance(each, EmailMustNotBeTaken) for each in outcomes) == [False, True]


def test_staff_have_no_account(database: Database) -> None:
    async def live() -> None:
        async with people_of(database) as people:
            assert (await people.register("c@example.com", PASSWORD, "C", "compliance")).account_id is None
            assert [each.email for each in await people.users()] == ["c@example.com"]

    asyncio.run(live())


def test_a_login_ends_with_its_hours_also_when_it_is_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        async with people_of(database) as people:
            await people.register("a@example.com", PASSWORD, "A")
            monkeypatch.setattr(people, "_valid_for", timedelta(seconds=0.5))
            token, _, _ = await people.log_in("a@example.com", PASSWORD)
            assert await people.authenticate(token) is not None
            await asyncio.sleep(0.6)
            assert await people.authenticate(token) is None
            assert await people.purge_expired_sessions() == 1
            assert await people.purge_expired_sessions() == 0

    asyncio.run(live())


def test_a_remembered_login_costs_no_query_and_another_process_ends_it_soon(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOGIN_KNOWN_S", 0.3)

    async def live() -> None:
        async with people_of(database) as here, people_of(database) as there:
            await here.register("a@example.com", PASSWORD, "A")
            token, _, _ = await here.log_in("a@example.com", PASSWORD)
            assert await here.authenticate(token) is not None
            await there.log_out(token)
            assert here.known(token) is not None
            await asyncio.sleep(0.4)
            assert await here.authenticate(token) is None

    asyncio.run(live())


def test_a_log_out_during_a_look_up_is_not_forgotten(database: Database) -> None:
    async def live() -> None:
        async with people_of(database) as people:
            await people.register("a@example.com", PASSWORD, "A")
            for _ in range(5):
                token, _, _ = await people.log_in("a@example.com", PASSWORD)
                await asyncio.gather(*(people.authenticate(token) for _ in range(4)), people.log_out(token))
                assert people.known(token) is None
                assert await people.authenticate(token) is None

    asyncio.run(live())


def test_an_origin_is_one_row_however_often_it_comes(database: Database) -> None:
    async def live() -> None:
        async with people_of(database) as people, people_of(database) as others:
            user = await people.register("a@example.com", PASSWORD, "A")
            first = await people.origin(user.user_id, "10.0.0.1", "browser")
            assert await people.origin(user.user_id, "10.0.0.1", "browser") == first
            assert await others.origin(user.user_id, "10.0.0.1", "browser") == first
            assert await people.origin(user.user_id, "10.0.0.2", "browser") != first

    asyncio.run(live())
    assert rows(database, "SELECT count(*) FROM origins") == [(2,)]


@pytest.mark.usefixtures("usual_passwords")
def test_an_unknown_address_takes_as_long_to_refuse_as_a_wrong_password(database: Database) -> None:
    async def live() -> tuple[float, float]:
        async with people_of(database) as people:
            await people.register("a@example.com", PASSWORD, "A")
            await _refused_in(people, "warm@example.com")
            known = min([await _refused_in(people, "a@example.com") for _ in range(3)])
            return known, min([await _refused_in(people, f"{uuid4()}@example.com") for _ in range(3)])

    known, unknown = asyncio.run(live())
    assert unknown > known / 2


@pytest.mark.usefixtures("usual_passwords")
def test_passwords_are_checked_off_the_event_loop(database: Database) -> None:
    async def live() -> int:
        async with people_of(database) as people:
            login = asyncio.create_task(_refused_in(people, "a@example.com"))
            turns = 0
            while not login.done():
                turns += 1
                await asyncio.sleep(0.001)
            return turns

    assert asyncio.run(live()) > 5


def test_without_the_database_people_are_unavailable_not_wrong(database: Database) -> None:
    async def live() -> None:
        async with people_of(database) as people:
            pass
        with pytest.raises(PeopleMustBeKnown):
            await people.authenticate("x")

    asyncio.run(live())


def test_what_was_known_longest_makes_room() -> None:
    known: Known[int, str] = Known(limit=2, seconds=60)
    for key in (1, 2, 1, 3):
        known.put(key, str(key))
    assert [known.get(key) for key in (1, 2, 3)] == ["1", None, "3"]


async def _refused_in(people: People, email: str) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(CredentialsMustBeRight):
        await people.log_in(email, "wrong password")
    return loop.time() - began
