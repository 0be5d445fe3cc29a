"""Origins of many who come at once: stored together, and nobody suffers for somebody else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from infrastructure.origins import Origin
from infrastructure.people import People, User
from infrastructure.postgres.connections import async_pool
from infrastructure.privacy.erasing import _destroy
from infrastructure.privacy.master import MasterKeys
from infrastructure.privacy.personal import PersonalDataMustBeReadable
from tests.conftest import MASTER_KEY, Database

PASSWORD = "a long enough one"
ROWS = "SELECT origin_id, xmin::text, ctid::text FROM origins ORDER BY origin_id"


@asynccontextmanager
async def people_of(database: Database) -> AsyncIterator[People]:
    async with async_pool(database.app_url, application="test") as pool:
        found = People(pool, MasterKeys(text=MASTER_KEY))
        try:
            yield found
        finally:
            found.close()


async def registered(people: People, count: int) -> list[User]:
    return [await people.register(f"{number}@example.com", PASSWORD, "A") for number in range(count)]


def rows(database: Database, sql: str) -> list[Any]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(sql.encode()).fetchall()


async def erase(database: Database, user_id: UUID) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner_url) as connection:
        await _destroy(connection, user_id)


def said(origin: Origin) -> tuple[UUID | None, str, str]:
    return origin.user_id, origin.address, origin.agent


@pytest.mark.parametrize("seen_before", [False, True])
def test_those_who_come_at_once_each_get_their_own_origin_the_erased_one_none(
    database: Database, seen_before: bool
) -> None:
    async def live() -> None:
        async with people_of(database) as people:
            ann, bob, gone, *many = await registered(people, 30)
            if seen_before:  # so that its key is remembered
                await people.origin(gone.user_id, "10.0.0.9", "before")
            await erase(database, gone.user_id)
            wanted: list[tuple[UUID | None, str, str]] = [
                (one.user_id, "10.0.0.1", "browser") for one in many
            ]
            wanted += [(ann.user_id, "10.0.0.1", "browser"), (ann.user_id, "10.0.0.1", "phone")]
            wanted += [(bob.user_id, "10.0.0.1", "browser"), (None, "203.0.113.9", "browser")]
            both = [(gone.user_id, "10.0.0.1", "browser"), *wanted, *wanted]

            erased, *ids = await asyncio.gather(*(people.origin(*one) for one in both))

            assert ids[: len(wanted)] == ids[len(wanted) :]
            found = await people.origins([erased, *ids])
            assert erased not in found
            assert [said(found[origin_id]) for origin_id in ids] == wanted + wanted

    asyncio.run(live())
    assert rows(database, "SELECT count(*) FROM origins WHERE personal IS NOT NULL") == [(31,)]


def test_two_processes_that_store_the_same_at_once_find_the_same_rows(database: Database) -> None:
    async def live() -> None:
        async with people_of(database) as here, people_of(database) as there:
            users = await registered(here, 60)
            for agent in map(str, range(5)):
                asked = [(one.user_id, "10.0.0.1", agent) for one in users]
                ours, theirs = await asyncio.gather(
                    asyncio.gather(*(here.origin(*one) for one in asked)),
                    asyncio.gather(*(there.origin(*one) for one in reversed(asked))),
                )
                assert ours == theirs[::-1]

    asyncio.run(live())
    assert rows(database, "SELECT count(*) FROM origins") == [(300,)]


def test_what_is_there_already_is_read_and_not_written(database: Database) -> None:
    async def live(among: int) -> list[UUID]:
        async with people_of(database) as people:
            users = await registered(people, 3) if not among else await people.users()
            asked = [(one.user_id, "10.0.0.1", "browser") for one in users[:3]]
            asked += [(users[0].user_id, "10.0.0.2", "browser")] * among
            return await asyncio.gather(*(people.origin(*one) for one in asked))

    first = asyncio.run(live(0))
    before = rows(database, ROWS)
    again = asyncio.run(live(1))

    assert again[:3] == first
    assert set(before) < set(rows(database, ROWS))
    assert len(rows(database, ROWS)) == 4


def test_a_person_who_is_being_erased_keeps_nobody_else_waiting(database: Database) -> None:
    async def live() -> None:
        async with people_of(database) as people:
            held, *others = await registered(people, 4)
            async with await psycopg.AsyncConnection.connect(database.owner_url) as erasing:
                await erasing.execute("DELETE FROM personal_keys WHERE owner_id = %s", (held.user_id,))
                waits = asyncio.create_task(people.origin(held.user_id, "10.0.0.1", "browser"))
                asked = (people.origin(one.user_id, "10.0.0.1", "browser") for one in others)
                ids = await asyncio.wait_for(asyncio.gather(*asked), 60)
                assert not waits.done()
            nowhere = await asyncio.wait_for(waits, 60)
            assert set(await people.origins([nowhere, *ids])) == set(ids)

    asyncio.run(live())


def _spoilt_key(database: Database, user_id: UUID) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "UPDATE personal_keys SET wrapped = '\\x00' || substr(wrapped, 2) WHERE owner_id = %s", (user_id,)
        )


def _unspoilt(_: Database, __: UUID) -> None:
    """The key is left as it is."""


@pytest.mark.parametrize(
    ("spoil", "agent", "refused"),
    [(_spoilt_key, "browser", PersonalDataMustBeReadable), (_unspoilt, "\ud800", UnicodeEncodeError)],
)
def test_whose_origin_cannot_be_encrypted_is_told_alone(
    database: Database, spoil: Callable[[Database, UUID], None], agent: str, refused: type[Exception]
) -> None:
    async def live() -> None:
        async with people_of(database) as people:
            bad, *others = await registered(people, 4)
            spoil(database, bad.user_id)
            asked = [people.origin(one.user_id, "10.0.0.1", "browser") for one in others]

            outcomes = await asyncio.gather(
                people.origin(bad.user_id, "10.0.0.1", agent), *asked, return_exceptions=True
            )

            assert isinstance(outcomes[0], refused)
            found = await people.origins([one for one in outcomes if isinstance(one, UUID)])
            assert [one.user_id for one in others] == [found[i].user_id for i in outcomes[1:]]  # type: ignore[index]  # ids

    asyncio.run(live())
