"""Customers who are logged in and have money, made without the cost of hashing a password for each."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from msgspec import Struct

from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from tests.bench.client import Call, call
from tests.bench.stories import SYMBOLS, Story

ORDER = (
    b'{"symbol":"%b","side":"buy","type":"limit","quantity":"10","limit_price":"10.00","time_in_force":"gtc"}'
)


class Customer(Struct, frozen=True):
    """Somebody with an account and an open login."""

    user_id: UUID
    account_id: UUID
    token: str


def log_in(settings: Settings, count: int) -> list[Customer]:
    """So many users with open logins, whose accounts are still to be opened."""
    found = [Customer(uuid4(), uuid4(), secrets.token_urlsafe(32)) for _ in range(count)]
    now = datetime.now(UTC)
    with (
        connect(settings.database_url or "", application="bench customers") as connection,
        connection.transaction(),
        connection.cursor() as cursor,
    ):
        with cursor.copy(
            "COPY users (user_id, account_id, email, password_hash, full_name, role, created_at) FROM STDIN"
        ) as copy:
            for one in found:
                email = f"{one.user_id}@example.com"
                copy.write_row((one.user_id, one.account_id, email, "-", "A Person", "customer", now))
        with cursor.copy("COPY sessions (token_hash, user_id, created_at, expires_at) FROM STDIN") as copy:
            for one in found:
                token_hash = hashlib.sha256(one.token.encode()).digest()
                copy.write_row((token_hash, one.user_id, now, now + timedelta(days=1)))
    return found


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
