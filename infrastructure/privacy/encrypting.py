"""Encrypts what stood in the clear before Daybook had keys: a step of `daybook migrate`, which SQL cannot do.

It works in batches, each a transaction, so that a run that was cut off goes on where it was. When nothing is in the
clear any more, the old columns are dropped and the tables are written anew, so that the old bytes leave their files.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
from psycopg.errors import UniqueViolation

from application.expected import TellTheOperator
from infrastructure.credentials import normalised
from infrastructure.privacy.keyring import (
    INDEX_OWNER,
    INSERT_KEY,
    READ_KEY,
    make_key,
    require_right,
    unwrap,
)
from infrastructure.privacy.master import MasterKeyMustBeGiven, MasterKeys
from infrastructure.privacy.personal import (
    Identity,
    PersonalKey,
    Whereabouts,
    place_of_origin,
    place_of_user,
    together,
)

AT_ONCE = 500

Connection = psycopg.Connection[Any]
Tell = Callable[[str], None]

_IN_THE_CLEAR = (
    "SELECT count(*) FROM information_schema.columns"
    " WHERE table_schema = 'public' AND table_name = 'users' AND column_name = 'email'"
)
_USERS = (
    "SELECT user_id, email, full_name, password_hash FROM users WHERE email IS NOT NULL"
    " ORDER BY user_id LIMIT %s FOR UPDATE"
)
_ORIGINS = (
    "SELECT origin_id, user_id, address, agent FROM origins WHERE address IS NOT NULL"
    " ORDER BY user_id, origin_id LIMIT %s FOR UPDATE"
)
_KEEP_USER = (
    "UPDATE users SET personal = %s, email_index = %s, email = NULL, full_name = NULL, password_hash = NULL"
    " WHERE user_id = %s"
)
_KEEP_ORIGIN = (
    "UPDATE origins SET owner_id = user_id, personal = %s, same = %s, address = NULL, agent = NULL"
    " WHERE origin_id = %s"
)
_DROP = (
    "ALTER TABLE users DROP COLUMN email, DROP COLUMN full_name, DROP COLUMN password_hash",
    "ALTER TABLE origins DROP COLUMN address, DROP COLUMN agent",
)


class TwoUsersShareAnAddress(TellTheOperator):
    """Two users have e-mail addresses that are one, now that case and accents are compared properly."""


def encrypt_what_is_clear(connection: Connection, masters: MasterKeys | None, tell: Tell = print) -> int:
    """Encrypt every row that is in the clear; returns how many. The connection is the schema's owner's, in autocommit.

    Raises MasterKeyMustBeGiven when there is something to encrypt and no key, MasterKeyMustBeRight,
    TwoUsersShareAnAddress.
    """
    row = connection.execute(_IN_THE_CLEAR).fetchone()
    if row is None or not row[0]:
        return 0
    found = _first(connection, "SELECT 1 FROM users UNION ALL SELECT 1 FROM origins LIMIT 1")
    if found is not None:
        if masters is None:
            raise MasterKeyMustBeGiven(
                "users are there whose personal data must be encrypted now: set DAYBOOK_MASTER_KEY_FILE;"
                " `daybook keys create FILE` makes a key"
            )
        count = _Encryption(connection, masters, tell).run()
    else:
        count = 0
    for statement in _DROP:
        connection.execute(statement.encode())
    if found is not None:
        tell("Writing the tables anew, so that nothing stays in the clear.")
        connection.execute("VACUUM FULL users, origins")
    return count


class _Encryption:
    def __init__(self, connection: Connection, masters: MasterKeys, tell: Tell) -> None:
        self._connection = connection
        self._masters = masters
        self._tell = tell
        self._index = self._key(INDEX_OWNER, "index")

    def run(self) -> int:
        done = 0
        for what, batch in (("users", self._users), ("origins", self._origins)):
            while count := batch():
                done += count
                self._tell(f"Encrypted {count} {what}, {done} rows so far.")
        return done

    def _users(self) -> int:
        try:
            with self._connection.transaction():
                rows = self._connection.execute(_USERS, (AT_ONCE,)).fetchall()
                for user_id, email, full_name, password_hash in rows:
                    identity = Identity(email=email, full_name=full_name, password_hash=password_hash)
                    personal = self._key(user_id, "user").encrypt(identity, place=place_of_user(user_id))
                    index = self._index.blind(normalised(email))
                    self._connection.execute(_KEEP_USER, (personal, index, user_id))
        except UniqueViolation as error:
            raise TwoUsersShareAnAddress(
                "two users have the same e-mail address but for case or accents: change one of them, then migrate again"
            ) from error
        return len(rows)

    def _origins(self) -> int:
        with self._connection.transaction():
            rows = self._connection.execute(_ORIGINS, (AT_ONCE,)).fetchall()
            for origin_id, user_id, address, agent in rows:
                where, key = Whereabouts(address=address, agent=agent), self._key(user_id, "user")
                personal = key.encrypt(where, place=place_of_origin(origin_id))
                self._connection.execute(_KEEP_ORIGIN, (personal, key.blind(together(where)), origin_id))
        return len(rows)

    def _key(self, owner_id: UUID, kind: str) -> PersonalKey:
        stored = self._connection.execute(READ_KEY, (owner_id,)).fetchone()
        if stored is None:
            new = make_key(self._masters.current(), owner_id, kind=kind)
            self._connection.execute(INSERT_KEY, new.row)
            return new.key
        if owner_id == INDEX_OWNER:
            require_right(self._masters, stored)
        return PersonalKey(unwrap(self._masters, owner_id, *stored))


def _first(connection: Connection, sql: str) -> Any:
    return connection.execute(sql.encode()).fetchone()
