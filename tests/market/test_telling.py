"""Commands to Redis whose answers nobody waits for."""

import time

import pytest
import redis
from redis.exceptions import RedisError

from infrastructure.redis.telling import Telling


def told(redis_url: str, word: bytes) -> bool:
    """Whether this is what stands there, at the latest in a minute: nobody waited for it."""
    deadline = time.monotonic() + 60
    with redis.Redis.from_url(redis_url) as client:
        while client.get("told") != word and time.monotonic() < deadline:
            time.sleep(0.01)
        return client.get("told") == word


def test_what_is_told_is_there_and_the_last_word_counts(redis_url: str) -> None:
    telling = Telling(redis_url)

    for number in range(100):
        telling.send("SET", "told", str(number))

    assert told(redis_url, b"99")
    telling.close()


def test_a_connection_that_was_lost_is_made_again_with_the_next_word(redis_url: str) -> None:
    telling = Telling(redis_url)
    telling.send("SET", "told", "before")

    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
        telling.send("SET", "told", "after")
    assert told(redis_url, b"after")
    telling.close()


def test_a_word_that_redis_refuses_does_not_keep_the_next_from_being_told(redis_url: str) -> None:
    telling = Telling(redis_url)

    telling.send("SET", "told")
    telling.send("SET", "told", "next")

    assert told(redis_url, b"next")
    telling.close()


def test_a_redis_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(RedisError):
        Telling("unix:///nowhere/redis.sock").send("SET", "told", "nothing")
