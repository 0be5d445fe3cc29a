"""Of several markets on one Redis, one speaks."""

import threading
import time

from infrastructure.redis import connect
from infrastructure.redis.turn import KEY, Turn


def test_a_second_market_waits_until_the_first_gives_up(redis_url: str) -> None:
    first, second = Turn(redis_url), Turn(redis_url)
    stop = threading.Event()
    assert first.wait(stop)

    waited = threading.Thread(target=second.wait, args=(stop,))
    waited.start()
    time.sleep(0.5)
    still_waiting = waited.is_alive()
    first.give_up()
    waited.join(timeout=60)

    assert still_waiting
    assert not waited.is_alive()
    second.give_up()


def test_a_market_whose_turn_another_has_taken_stops(redis_url: str) -> None:
    stop = threading.Event()
    turn = Turn(redis_url)
    turn.wait(stop)
    with connect(redis_url) as client:
        client.set(KEY, b"another")

    keeper = turn.keep(stop)
    keeper.join(timeout=60)

    assert stop.is_set()
    turn.give_up()


def test_a_turn_that_redis_forgot_is_taken_again(redis_url: str) -> None:
    stop = threading.Event()
    turn = Turn(redis_url)
    turn.wait(stop)
    with connect(redis_url) as client:
        client.flushall()
        keeper = turn.keep(stop)
        time.sleep(1.5)
        held = client.get(KEY)

    lost = stop.is_set()
    stop.set()
    keeper.join(timeout=60)
    turn.give_up()
    assert not lost
    assert held is not None
