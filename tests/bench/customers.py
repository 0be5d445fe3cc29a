"""Customers who are logged in and have money, made without the cost of hashing a password for each."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from msgspec import Struct
from psycopg import Connection

from infrastructure.people import USER_COLUMNS, User, user_row
from infrastructure.postgres.connections import connect
from infrastructure.privacy.keyring import INDEX_OWNER, INSERT_KEY, KEY_COLUMNS, READ_KEY, make_key, unwrap
from infrastructure.privacy.master import MasterKeys
from infrastructure.privacy.personal import PersonalKey
from infrastructure.settings import Settings
from tests.bench.client import Call, call
from tests.bench.stories import SYMBOLS, Story

PASSWORD = "correct horse battery"
"""Everybody's, hashed once."""

ORDER = (
    b'{"symbol":"%b","side":"buy","type":"limit","quantity":"10","limit_price":"10.00","time_in_force":"gtc"}'
)


class Customer(Struct, frozen=True):
    """Somebody with an account and an open login."""

    user_id: UUID
    account_id: UUID
    token: str


def log_in(settings: Settings, count: int) -> list[Customer]:
    """So many users with open logins, whose accounts are still to be opened: the rows that registration writes."""
    found = [Customer(uuid4(), uuid4(), secrets.token_urlsafe(32)) for _ in range(count)]
    now, master = datetime.now(UTC), MasterKeys.of(settings).current()
    keys = [make_key(master, one.user_id) for one in found]
    with (
        connect(settings.database_url or "", application="bench customers") as connection,
        connection.transaction(),
        connection.cursor() as cursor,
    ):
        index = _index(connection, settings)
        with cursor.copy(f"COPY users ({USER_COLUMNS}) FROM STDIN".encode()) as copy:
            for one, new in zip(found, keys, strict=True):
                copy.write_row(user_row(_user(one, now), _hash_of_password(), key=new.key, index=index))
        with cursor.copy(f"COPY personal_keys ({KEY_COLUMNS}) FROM STDIN".encode()) as copy:
            for new in keys:
                copy.write_row(new.row)
        with cursor.copy("COPY sessions (token_hash, user_id, created_at, expires_at) FROM STDIN") as copy:
            for one in found:
                token_hash = hashlib.sha256(one.token.encode()).digest()
                copy.write_row((token_hash, one.user_id, now, now + timedelta(days=1)))
    return found


def email_of(customer: Customer) -> str:
    """The address that a customer was registered with."""
    return f"{customer.user_id}@example.com"


def _user(customer: Customer, now: datetime) -> User:
    return User(
        user_id=customer.user_id,
        account_id=customer.account_id,
        email=email_of(customer),
        full_name="A Person",
        role="customer",
        created_at=now,
    )


@cache
def _hash_of_password() -> str:
    return PasswordHasher().hash(PASSWORD)


def _index(connection: Connection[Any], settings: Settings) -> PersonalKey:
    """The key that addresses are looked up by, made when nobody was registered before."""
    masters = MasterKeys.of(settings)
    connection.execute(INSERT_KEY, make_key(masters.current(), INDEX_OWNER, kind="index").row)
    row = connection.execute(READ_KEY, (INDEX_OWNER,)).fetchone()
    assert row is not None
    return PersonalKey(unwrap(masters, INDEX_OWNER, *row))


def customers(settings: Settings, count: int) -> list[Customer]:
    """The same, their accounts opened and filled with money."""
    found = log_in(settings, count)
    with Story(settings.database_url or "") as story:
        for one in found:
            story.acts_as(one.user_id)
            story.open(one.account_id)
    return found


def order_call(customer: Customer, symbol: str) -> Call:
    """`POST /api/v1/orders`: ten shares at 10.00, with a key of its own."""
    return call("POST", "/api/v1/orders", token=customer.token, body=ORDER % symbol.encode(), has_key=True)


def order_calls(found: list[Customer]) -> list[Call]:
    """One order of each customer, over a thousand symbols."""
    return [order_call(one, SYMBOLS[number % len(SYMBOLS)]) for number, one in enumerate(found)]


def echo_calls() -> list[Call]:
    """The same bodies for the echo."""
    return [call("POST", "/orders", body=ORDER % symbol.encode()) for symbol in SYMBOLS]
