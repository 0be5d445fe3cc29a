"""`daybook keys`: one master key after another, while everything goes on."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest

from infrastructure.people import People
from infrastructure.postgres.connections import async_pool
from infrastructure.privacy import rotating
from infrastructure.privacy.keyring import INSERT_KEY, make_key
from infrastructure.privacy.master import (
    MasterKeyMustBeGiven,
    MasterKeyMustBeRight,
    MasterKeys,
    new_secret,
    write_master_keys,
)
from infrastructure.privacy.personal import PersonalDataMustBeReadable
from infrastructure.settings import Settings
from interfaces.cli import keys as command
from tests.conftest import MASTER_KEY, Database

PASSWORD = "a long enough one"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "master.key"
    write_master_keys(found, [MASTER_KEY])
    return found


@pytest.fixture
def environment(settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = msgspec.structs.replace(settings, master_key=None, master_key_file=file).as_environment()
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def run(*words: str) -> int:
    """The exit code of `daybook keys …`."""
    return int(command.app(list(words), exit_on_error=False, result_action="return_value") or 0)


def live(database: Database, masters: MasterKeys, work: object) -> object:
    async def there() -> object:
        async with async_pool(database.app_url, application="test") as pool:
            people = People(pool, masters)
            try:
                return await work(people)  # type: ignore[operator]
            finally:
                people.close()

    return asyncio.run(there())


def fill(database: Database, masters: MasterKeys, count: int) -> None:
    rows = [make_key(masters.current(), uuid4()).row for _ in range(count)]
    with psycopg.connect(database.owner_url) as connection, connection.cursor() as cursor:
        cursor.executemany(INSERT_KEY.encode(), rows)


def by_master(database: Database) -> dict[str, int]:
    with psycopg.connect(database.owner_url) as connection:
        sql = "SELECT master_key_id, count(*) FROM personal_keys GROUP BY 1"
        return dict(connection.execute(sql).fetchall())


def test_after_a_rotation_the_old_master_key_reads_nothing_and_the_new_one_everything(
    database: Database, file: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    masters = MasterKeys(file=file)
    live(database, masters, lambda people: people.register("a@example.com", PASSWORD, "A"))
    old = masters.current().id

    assert run("rotate", "--new-key", "--drop-old") == 0

    new = MasterKeys(file=file).current().id
    assert by_master(database) == {new: 2}  # the person's and the index's
    said = capsys.readouterr().out
    assert f"Master key {new} is the current one now." in said
    assert f"Master key {old} was taken out" in said
    # A process that ran all the time reads its file again.
    assert (
        live(database, masters, lambda people: people.prove("A@example.com", PASSWORD)).email
        == "a@example.com"
    )  # type: ignore[attr-defined]
    with pytest.raises(MasterKeyMustBeRight, match=f"{new}.*and {old} was given"):
        live(database, MasterKeys(text=MASTER_KEY), lambda people: people.require_right_master())
    with pytest.raises(PersonalDataMustBeReadable):
        live(database, MasterKeys(text=MASTER_KEY), lambda people: people.users())


def test_a_rotation_that_was_killed_half_way_goes_on(
    database: Database, file: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    masters = MasterKeys(file=file)
    fill(database, masters, 6_000)
    old = masters.current().id
    words = [sys.executable, "-m", "interfaces.cli.main", "keys", "rotate", "--new-key"]
    child = subprocess.Popen(
        words, env={**os.environ, **environment}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert child.stderr is not None
    assert re.match(rb"1000 of 6000 keys", child.stderr.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stderr.close()

    half = by_master(database)
    new = MasterKeys(file=file).current().id
    assert half[old] > 0
    assert half[new] >= 1000
    assert run("rotate", "--new-key") == 2  # first the one that has begun
    assert run("rotate") == 0
    assert by_master(database) == {new: 6_000}
    assert run("status") == 0


def test_of_two_who_begin_a_rotation_at_once_one_is_refused(database: Database, file: Path) -> None:
    live(database, MasterKeys(file=file), lambda people: people.register("a@example.com", PASSWORD, "A"))

    def begin(_: int) -> bool:
        try:
            rotating.begin_with_new_key(database.app_url, MasterKeys(file=file))
        except rotating.RotationMustBeFinished:
            return False
        return True

    with ThreadPoolExecutor(4) as operators:
        assert sorted(operators.map(begin, range(4))) == [False, False, False, True]
    assert len(file.read_text().split()) == 2


def test_keys_that_are_wrapped_meanwhile_by_who_does_not_know_the_new_one_are_met_too(
    database: Database, file: Path
) -> None:
    old = MasterKeys(text=MASTER_KEY)
    fill(database, old, 1_500)
    write_master_keys(file, [new_secret(), MASTER_KEY])
    masters, late = MasterKeys(file=file), []

    def meanwhile(_done: int, _total: int) -> None:
        if not late:
            late.append(fill(database, old, 10))

    assert rotating.rotate(database.app_url, masters, meanwhile) == 1_510
    assert by_master(database) == {masters.current().id: 1_510}


def test_a_key_that_was_changed_is_named_and_the_rotation_ends(database: Database, file: Path) -> None:
    old = MasterKeys(text=MASTER_KEY)
    fill(database, old, 2)
    with psycopg.connect(database.owner_url) as connection:  # the wrapped keys of two people, exchanged
        connection.execute(
            "UPDATE personal_keys a SET wrapped = b.wrapped FROM personal_keys b WHERE a.owner_id <> b.owner_id"
        )
    write_master_keys(file, [new_secret(), MASTER_KEY])

    with pytest.raises(rotating.StoredKeyWasChanged, match="was changed in the database"):
        rotating.rotate(database.app_url, MasterKeys(file=file))


def test_without_the_old_key_nothing_is_rotated(
    database: Database, file: Path, environment: dict[str, str]
) -> None:
    fill(database, MasterKeys(text=MASTER_KEY), 3)
    write_master_keys(file, [new_secret()])

    assert run("status") == 1
    assert run("rotate") == 2
    with pytest.raises(MasterKeyMustBeGiven):
        rotating.rotate(database.app_url, MasterKeys(file=file))


def test_status_counts_what_each_wraps(
    database: Database, file: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, MasterKeys(file=file), 3)

    assert run("status", "--json") == 0

    (line,) = capsys.readouterr().out.splitlines()
    found = msgspec.json.decode(line)
    assert (found["is_current"], found["is_given"], found["users"]) == (True, True, 3)


def test_a_key_is_made_in_a_new_file_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new.key"

    assert run("create", str(file)) == 0
    text = file.read_text()
    assert run("create", str(file)) == 2

    assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o600
    assert text.strip() not in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["missing", "another", "broken"])
def test_a_role_and_a_command_with_a_wrong_master_key_say_so_in_one_line(
    database: Database, environment: dict[str, str], wrong: str
) -> None:
    live(
        database, MasterKeys(text=MASTER_KEY), lambda people: people.register("a@example.com", PASSWORD, "A")
    )
    given = {"missing": "", "another": new_secret(), "broken": "x"}[wrong]
    says = {"missing": "DAYBOOK_MASTER_KEY_FILE", "another": "was given", "broken": "32 bytes in base64"}[
        wrong
    ]
    changed = {**os.environ, **environment, "DAYBOOK_MASTER_KEY": given}
    changed.pop("DAYBOOK_MASTER_KEY_FILE")

    for words in (["users", "list"], ["api"]):
        found = subprocess.run(
            [sys.executable, "-m", "interfaces.cli.main", *words],
            env=changed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert found.returncode == 2, found.stderr
        (line,) = [line for line in found.stderr.splitlines() if line.startswith("daybook: ")]
        assert says in line
        assert "Traceback" not in found.stderr
