"""Ceilings that are processes: `python -m tests.bench.bare listen|fill REDIS_URL [DATABASE_URL]`."""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import redis

from domain.quotes import Quote
from infrastructure.eventstore.log import COLUMNS, LOG_LOCK, TAKE_LOCK
from infrastructure.postgres.connections import connect
from infrastructure.redis.channels import Subscription
from infrastructure.redis.quotes import TickNumber, decode_tick

CHANNEL = "bench_quotes"
COMMITTED = "bench_committed"
REACHED = "bench:progress"
SAID_EVERY = 100
FILLED_BELOW = Decimal(95)
FACTS = ("Order.Executed", "Account.PurchaseDebited", "Position.LotOpened")

_APPEND = f"INSERT INTO stored_events ({COLUMNS}) VALUES (%s, %s, 1, %s, %s, %s, %s, %s)"
_STATE = b"x" * 330


def listen(redis_url: str) -> None:
    """Take each message, decode it, and say every hundred ticks how far it is."""
    client = redis.Redis.from_url(redis_url)
    subscription = Subscription(redis_url, [CHANNEL])
    _say(client, TickNumber("", 0))
    seen = 0
    while True:
        message = subscription.get(timeout=0.1)
        if message is not None:
            tick, seen = decode_tick(message[1]), seen + 1
            assert tick.number == seen, f"tick {tick.number} after {seen - 1}"
            if tick.number % SAID_EVERY == 0:
                _say(client, TickNumber(tick.run, tick.number))


def fill(redis_url: str, database_url: str) -> None:
    """Take each message, decode it, and for a low offer write three rows in one transaction and tell."""
    client = redis.Redis.from_url(redis_url)
    position = 0
    with connect(database_url, application="bench bare fill") as connection:
        subscription = Subscription(redis_url, [CHANNEL])
        _say(client, TickNumber("", 0))
        while True:
            message = subscription.get(timeout=0.1)
            for quote in decode_tick(message[1]).quotes if message else ():
                if quote.ask is not None and quote.ask < FILLED_BELOW:
                    position = _write(connection, position, quote)
                    client.publish(COMMITTED, msgspec.json.encode(quote.sequence))


def _write(connection: Any, position: int, quote: Quote) -> int:
    owner, now = UUID(int=quote.sequence), datetime.now(UTC)
    with connection.pipeline():
        connection.execute("BEGIN")
        connection.execute(TAKE_LOCK, (LOG_LOCK,))
        for number, topic in enumerate(FACTS, 1):
            row = (position + number, uuid4(), topic, _STATE, owner, now, "{}")
            connection.execute(_APPEND, row, prepare=True)
        connection.execute("COMMIT")
    return position + len(FACTS)


def _say(client: Any, reached: TickNumber) -> None:
    client.set(REACHED, msgspec.json.encode(reached))


if __name__ == "__main__":
    {"listen": listen, "fill": fill}[sys.argv[1]](*sys.argv[2:])
