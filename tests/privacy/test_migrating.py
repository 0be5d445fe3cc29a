"""A database from before the keys: what stood in the clear is encrypted, whatever happens meanwhile."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from argon2 import PasswordHasher

from infrastructure.people import People
from infrastructure.postgres import migrate as module
from infrastructure.postgres.connections import async_pool
from infrastructure.postgres.migrate import migrate, migrations
from infrastructure.privacy import encrypting
from infrastructure.privacy.encrypting import TwoUsersShareAnAddress
from infrastructure.privacy.master import MasterKeyMustBeGiven, MasterKeys
from tests.conftest import MASTER_KEY, Database, Servers, _as_superuser
from tests.privacy.looking import as_superuser, dump, files_of, found_in

PASSWORD = "a long enough one"
USERS, ORIGINS_EACH = 7, 3
MASTERS = MasterKeys(text=MASTER_KEY)
SECRETS = ["Quetzalcoatl", "zanzibar", "198.51.100.", "Netscape-Chameleon", "argon2id"]

_numbers = count(1)


@pytest.fixture
def old(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database as it was before this migration, with people in it."""
    name = f"daybook_old_{next(_numbers)}"
    _as_superuser(servers, f"CREATE DATABASE {name} OWNER daybook_owner")
    found = Database(
        app_url=servers.postgres.url(user="daybook_app", database=name),
        owner_url=servers.postgres.url(user="daybook_owner", database=name),
    )
    with monkeypatch.context() as before:
        then = [each for each in migrations() if each.name < "0020"]
        before.setattr(module, "migrations", lambda: then)
        before.setattr(module, "encrypt_what_is_clear", lambda *_: 0)
        migrate(found.owner_url)
    fill(found)
    yield found
    _as_superuser(servers, f"DROP DATABASE {name} WITH (FORCE)")


def fill(database: Database, *more: str) -> None:
    """People and where they came from, in the clear."""
    password_hash = PasswordHasher().hash(PASSWORD)
    with psycopg.connect(database.owner_url) as connection:
        for number in range(USERS):
            user_id = add(connection, f"Quetzalcoatl{number}@Zanzibar.example", password_hash)
            for each in range(ORIGINS_EACH):
                connection.execute(
                    "INSERT INTO origins VALUES (%s, %s, %s, 'Netscape-Chameleon', now())",
                    (uuid4(), user_id, f"198.51.100.{each}"),
                )


def add(connection: "psycopg.Connection[tuple[object, ...]]", email: str, password_hash: str) -> UUID:
    user_id = uuid4()
    connection.execute(
        "INSERT INTO users (user_id, email, password_hash, full_name, role, created_at)"
        " VALUES (%s, %s, %s, 'Quetzalcoatl', 'admin', %s)",
        (user_id, email, password_hash, datetime.now(UTC)),
    )
    return user_id


def silent(_text: str) -> None:
    pass


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_people_from_before_are_encrypted_and_log_in_as_ever(old: Database, servers: Servers) -> None:
    origins = rows(old, "SELECT origin_id, user_id, address FROM origins")

    migrate(old.owner_url, MASTERS, silent)

    async def live() -> None:
        async with async_pool(old.app_url, application="test") as pool:
            people = People(pool, MASTERS)
            user = await people.prove("quetzalcoatl3@zanzibar.EXAMPLE", PASSWORD)
            assert (user.email, user.full_name) == ("Quetzalcoatl3@Zanzibar.example", "Quetzalcoatl")
            found = await people.origins([origin_id for origin_id, _, _ in origins])  # type: ignore[misc]
            assert {(each.origin_id, each.user_id, each.address) for each in found.values()} == set(origins)
            # What comes from there again is found, not stored again.
            (origin_id, user_id, address) = origins[0]
            assert await people.origin(user_id, address, "Netscape-Chameleon") == origin_id  # type: ignore[arg-type]
            people.close()

    asyncio.run(live())
    superuser = as_superuser(servers, old.app_url)
    text = "\n".join(each for page in dump(superuser).values() for each in page).encode()
    assert found_in(text, SECRETS) == []
    data = Path(str(servers.postgres.log.parent.parent / "postgres" / "data"))
    for file in files_of(superuser, data, ("users", "origins")):
        assert file
        assert found_in(file, SECRETS) == []
    assert migrate(old.owner_url, None, silent) == []


def test_without_a_master_key_nothing_is_touched(old: Database) -> None:
    with pytest.raises(MasterKeyMustBeGiven, match="DAYBOOK_MASTER_KEY_FILE"):
        migrate(old.owner_url, None, silent)

    assert rows(old, "SELECT count(*) FROM users WHERE email IS NOT NULL AND personal IS NULL") == [(USERS,)]


@pytest.mark.parametrize("dies_after", [1, 2, 3, 4, 6, 9])
def test_a_migration_that_was_cut_off_goes_on(
    old: Database, monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    monkeypatch.setattr(encrypting, "AT_ONCE", 3)
    told: list[str] = []

    def dying(text: str) -> None:
        told.append(text)
        if len(told) == dies_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(old.owner_url, MASTERS, dying)
    migrate(old.owner_url, MASTERS, silent)

    assert rows(old, "SELECT count(*) FROM users WHERE personal IS NOT NULL AND email_index IS NOT NULL") == [
        (USERS,)
    ]
    assert rows(old, "SELECT count(*) FROM origins WHERE personal IS NOT NULL") == [(USERS * ORIGINS_EACH,)]
    assert rows(old, "SELECT count(*) FROM personal_keys") == [(USERS + 1,)]


def test_two_addresses_that_are_one_now_are_refused_in_a_sentence(old: Database) -> None:
    with psycopg.connect(old.owner_url) as connection:
        for email in ("ÉVA@example.com", "éva@example.com"):  # PostgreSQL's C locale knows no É
            add(connection, email, "x")

    with pytest.raises(TwoUsersShareAnAddress, match="same e-mail address"):
        migrate(old.owner_url, MASTERS, silent)
