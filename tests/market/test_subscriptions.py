"""Listening to Redis through its restarts."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from infrastructure.embedded import EmbeddedRedis
from infrastructure.redis.channels import LOG_APPENDED, QUOTE_UPDATES, AsyncSubscription, Subscription


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of this test's own, to be stopped and started."""
    found = EmbeddedRedis(tmp_path)
    found.start()
    yield found
    found.stop()


def say(server: EmbeddedRedis, channel: str, payload: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.publish(channel, payload)


def test_what_is_said_after_the_constructor_is_heard(server: EmbeddedRedis) -> None:
    subscription = Subscription(server.url, [QUOTE_UPDATES, LOG_APPENDED])
    say(server, LOG_APPENDED, "42")

    heard = subscription.get(timeout=60)
    subscription.close()

    assert heard == (LOG_APPENDED, b"42")
    assert subscription.reconnects == 0


def test_silence_lasts_as_long_as_was_asked(server: EmbeddedRedis) -> None:
    subscription = Subscription(server.url, [QUOTE_UPDATES])

    started = time.monotonic()
    heard = subscription.get(timeout=0.2)
    seconds = time.monotonic() - started
    subscription.close()

    assert heard is None
    assert 0.15 < seconds < 1


def test_a_restarted_server_is_heard_again_and_the_gap_is_counted(server: EmbeddedRedis) -> None:
    subscription = Subscription(server.url, [QUOTE_UPDATES])
    server.stop()
    assert subscription.get(timeout=0.1) is None
    server.start()

    give_up = time.monotonic() + 60
    while subscription.reconnects == 0 and time.monotonic() < give_up:
        subscription.get(timeout=0.2)
    say(server, QUOTE_UPDATES, "again")
    heard = subscription.get(timeout=60)
    subscription.close()

    assert subscription.reconnects == 1
    assert heard == (QUOTE_UPDATES, b"again")


def test_a_server_that_is_away_at_first_is_waited_for(server: EmbeddedRedis) -> None:
    server.stop()
    subscription = Subscription(server.url, [QUOTE_UPDATES])
    server.start()

    give_up = time.monotonic() + 60
    while subscription.reconnects == 0 and time.monotonic() < give_up:
        subscription.get(timeout=0.2)
    subscription.close()

    assert subscription.reconnects == 1


def test_the_same_holds_for_asyncio(server: EmbeddedRedis) -> None:
    async def scenario() -> tuple[list[tuple[str, bytes]], int]:
        subscription = AsyncSubscription(server.url, [QUOTE_UPDATES])
        await subscription.start()
        say(server, QUOTE_UPDATES, "before")
        heard = [message for message in [await subscription.get(timeout=60)] if message]
        server.stop()
        await subscription.get(timeout=0.1)
        server.start()
        async with asyncio.timeout(60):
            while subscription.reconnects == 0:
                await subscription.get(timeout=0.2)
        say(server, QUOTE_UPDATES, "after")
        async for message in subscription:
            heard.append(message)
            break
        await subscription.close()
        return heard, subscription.reconnects

    heard, reconnects = asyncio.run(scenario())

    assert heard == [(QUOTE_UPDATES, b"before"), (QUOTE_UPDATES, b"after")]
    assert reconnects == 1
