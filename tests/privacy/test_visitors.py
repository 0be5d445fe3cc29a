"""Where somebody without a login was: kept under the key of a day, and unreadable once that has expired."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg

from infrastructure.people import People
from infrastructure.postgres.connections import async_pool
from infrastructure.privacy.keyring import visitors_of
from infrastructure.privacy.master import MasterKeys
from infrastructure.scheduling import purge_expired
from tests.conftest import MASTER_KEY, Database


def live(database: Database, work: Any) -> Any:
    async def there() -> Any:
        async with async_pool(database.app_url, application="test") as pool:
            people = People(pool, MasterKeys(text=MASTER_KEY), visitor_days=3)
            try:
                return await work(people)
            finally:
                people.close()

    return asyncio.run(there())


def test_a_visitor_is_found_again_on_the_same_day_and_erased_with_the_days_key(database: Database) -> None:
    async def visit(people: People) -> UUID:
        first = await people.origin(None, "203.0.113.9", "browser")
        assert await people.origin(None, "203.0.113.9", "browser") == first
        assert await people.origin(None, "203.0.113.9", "another") != first
        return first

    async def look(people: People) -> tuple[str, str, UUID | None]:
        found = (await people.origins([origin_id]))[origin_id]
        return found.address, found.agent, found.user_id

    origin_id = live(database, visit)
    assert live(database, look) == ("203.0.113.9", "browser", None)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("UPDATE personal_keys SET expires_at = now() WHERE kind = 'visitors'")

    purge_expired(database.app_url)

    assert live(database, look) == ("erased", "erased", None)
    with psycopg.connect(database.owner_url) as connection:
        left = connection.execute("SELECT count(*) FROM origins WHERE personal IS NOT NULL").fetchone()
    assert left == (0,)


def test_the_key_of_a_day_lasts_so_many_whole_days() -> None:
    owner, ends = visitors_of(date(2026, 1, 5), days=3)

    assert ends == datetime(2026, 1, 9, tzinfo=UTC)
    assert owner == visitors_of(date(2026, 1, 5), days=9)[0] != visitors_of(date(2026, 1, 6), days=3)[0]
