"""A new master key: every key that another one has wrapped is wrapped anew, while everything goes on.

Batches are transactions of their own, so that a rotation that was cut off goes on with the next call. The keys
themselves, and so all that is encrypted under them, stay what they are.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct

from application.expected import TellTheOperator
from infrastructure.postgres.connections import connect
from infrastructure.privacy.keyring import INDEX_OWNER, READ_KEY, binding, require_right
from infrastructure.privacy.master import (
    MasterKeyMustBeGiven,
    MasterKeys,
    UnwrappingFailed,
    new_secret,
    secrets_in,
    write_master_keys,
)

AT_ONCE = 1_000

_LOCK = 0x6461_7962_6B65_7973  # "daybkeys"

_OTHERS = (
    "SELECT owner_id, kind, wrapped, master_key_id FROM personal_keys WHERE master_key_id = %s AND owner_id > %s"
    " ORDER BY owner_id LIMIT %s FOR UPDATE"
)
_KEEP = "UPDATE personal_keys SET wrapped = %s, master_key_id = %s WHERE owner_id = %s"
_COUNTS = "SELECT master_key_id, kind, count(*) FROM personal_keys GROUP BY 1, 2"

_FIRST = UUID(int=0)

Connection = psycopg.Connection[Any]


class RotationMustBeFinished(TellTheOperator):
    """A new master key was asked for while an older one still wraps keys."""


class StoredKeyWasChanged(TellTheOperator):
    """A wrapped key in the database cannot be unwrapped by the master key that is said to have wrapped it."""


class Wrapping(Struct, frozen=True, kw_only=True):
    """How many keys one master key wraps. `is_given`: it is known here; `is_current`: new keys are wrapped by it."""

    master_key_id: str
    is_given: bool
    is_current: bool
    users: int = 0
    visitors: int = 0
    index: int = 0

    @property
    def keys(self) -> int:
        """All of them."""
        return self.users + self.visitors + self.index


def wrappings(url: str, masters: MasterKeys) -> list[Wrapping]:
    """Every master key that was given or wraps something, the current one first."""
    with connect(url, application="daybook keys") as connection:
        rows = connection.execute(_COUNTS).fetchall()
    current = masters.current().id
    counts: dict[str, dict[str, int]] = {master_key_id: {} for master_key_id in masters.ids()}
    for master_key_id, kind, count in rows:
        counts.setdefault(master_key_id, {})["users" if kind == "user" else kind] = count
    return [
        Wrapping(master_key_id=id, is_given=id in masters.ids(), is_current=id == current, **found)
        for id, found in counts.items()
    ]


def rotate(url: str, masters: MasterKeys, progress: Callable[[int, int], None] = lambda *_: None) -> int:
    """Wrap every key by the current master key; returns how many were wrapped anew.

    Raises MasterKeyMustBeGiven when an older one is missing, StoredKeyWasChanged. Whatever was wrapped stays so.
    """
    left = _others(url, masters)
    missing = [one.master_key_id for one in left if not one.is_given]
    if missing:
        raise MasterKeyMustBeGiven(
            f"keys are wrapped by master key {' and '.join(missing)}, which was not given: name it after the current one"
        )
    done, total = 0, sum(one.keys for one in left)
    with connect(url, application="daybook keys") as connection:
        while left:
            for one in left:
                for count in _batches(connection, masters, one.master_key_id):
                    done += count
                    progress(done, total)
            left = _others(url, masters)  # whoever did not know yet has wrapped meanwhile
    return done


def begin_with_new_key(url: str, masters: MasterKeys) -> str:
    """Put a new master key before the others in their file; returns its id. Raises RotationMustBeFinished."""
    file = masters.file
    if file is None:
        raise MasterKeyMustBeGiven(
            "a new master key is written into DAYBOOK_MASTER_KEY_FILE, which is not set:"
            " put it first into DAYBOOK_MASTER_KEY yourself, the old one after it, and start every role again"
        )
    with _alone(url):
        _require_finished(url, masters)
        require_right_master(url, masters)
        write_master_keys(file, [new_secret(), *secrets_in(file)])
        return masters.current().id


def drop_old(url: str, masters: MasterKeys) -> list[str]:
    """Take master keys that wrap nothing out of their file; returns the ids of those taken out."""
    file = masters.file
    if file is None:
        raise MasterKeyMustBeGiven("take the old keys out of DAYBOOK_MASTER_KEY yourself")
    with _alone(url):
        _require_finished(url, masters)
        old = masters.ids()[1:]
        write_master_keys(file, secrets_in(file)[:1])
    return old


def create(file: Path) -> str:
    """Write a new master key into a file that is not there yet; returns its id."""
    if file.exists():
        raise TellTheOperator(f"{file} is there already, and is left as it is")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_master_keys(file, [new_secret()])
    return MasterKeys(file=file).current().id


def make_unless_there(file: Path, url: str) -> None:
    """Make the master key of a new database. One whose keys are there already needs the key that wraps them."""
    if file.exists():
        return
    with connect(url, application="daybook keys") as connection:
        has_table = connection.execute("SELECT to_regclass('public.personal_keys') IS NOT NULL").fetchone()
        has_keys = (
            has_table == (True,) and connection.execute("SELECT 1 FROM personal_keys LIMIT 1").fetchone()
        )
    if has_keys:
        raise MasterKeyMustBeGiven(f"{file} is missing, and personal data are encrypted: put it back")
    create(file)


def require_right_master(url: str, masters: MasterKeys) -> None:
    """Raise MasterKeyMustBeRight unless the database's keys can be unwrapped with those given."""
    with connect(url, application="daybook keys") as connection:
        row = connection.execute(READ_KEY, (INDEX_OWNER,)).fetchone()
    if row is not None:
        require_right(masters, row)


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Nobody else changes the master keys meanwhile: of two, one would overwrite a key that wraps something."""
    with connect(url, application="daybook keys") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        yield


def _require_finished(url: str, masters: MasterKeys) -> None:
    if _others(url, masters):
        raise RotationMustBeFinished(
            "keys are still wrapped by an older master key: `daybook keys rotate` first"
        )


def _others(url: str, masters: MasterKeys) -> list[Wrapping]:
    return [one for one in wrappings(url, masters) if not one.is_current and one.keys]


def _batches(connection: Connection, masters: MasterKeys, master_key_id: str) -> Iterator[int]:
    after = _FIRST
    while True:
        with connection.transaction():
            rows = connection.execute(_OTHERS, (master_key_id, after, AT_ONCE)).fetchall()
            with connection.cursor() as cursor:
                cursor.executemany(_KEEP, [_anew(masters, *row) for row in rows])
        if not rows:
            return
        after = rows[-1][0]
        yield len(rows)


def _anew(masters: MasterKeys, owner_id: UUID, kind: str, wrapped: bytes, by: str) -> tuple[bytes, str, UUID]:
    old, current, owner = masters.named(by), masters.current(), binding(owner_id, kind)
    try:
        if old is None:
            raise UnwrappingFailed(by)
        return current.wrap(old.unwrap(bytes(wrapped), owner=owner), owner=owner), current.id, owner_id
    except UnwrappingFailed:
        raise StoredKeyWasChanged(
            f"the key of {owner_id} was changed in the database; the others can be wrapped once its row is restored"
            " from a backup, or its person is erased"
        ) from None
