"""Quotes in Redis, and in the memory of who reads them."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from domain.quotes import Tick
from infrastructure.redis.quotes import QuoteBoard, QuotePublisher, TickNumber, decode_tick
from tests.market.samples import AT, quote, reading, tick


@pytest.fixture
def publisher(redis_url: str) -> Iterator[QuotePublisher]:
    found = QuotePublisher(redis_url)
    yield found
    found.close()


def test_a_published_quote_is_read_back_as_it_was(publisher: QuotePublisher, redis_url: str) -> None:
    published = [quote("IBM"), quote("FB", last=None, sequence=2)]
    publisher.publish(tick(*published), reading())

    board = QuoteBoard(redis_url)
    board.load()

    assert board.all() == [published[1], published[0]]
    assert board.get("IBM") == published[0]
    assert board.get("AAPL") is None
    assert board.last_tick_at == AT


def test_the_last_quote_of_a_symbol_in_a_tick_is_the_one_that_stays(
    publisher: QuotePublisher, redis_url: str
) -> None:
    publisher.publish(tick(quote(last="1.00", sequence=1), quote(last="2.00", sequence=2)), reading())

    board = QuoteBoard(redis_url)
    board.load()

    assert [each.sequence for each in board.all()] == [2]


def test_a_tick_comes_over_the_channel_as_it_was_published(publisher: QuotePublisher, redis_url: str) -> None:
    sent = tick(quote("IBM"), quote("IBM", sequence=2))
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as listener:
        listener.subscribe("quote_updates")
        listener.get_message(timeout=60)
        publisher.publish(sent, reading())
        message = listener.get_message(timeout=60)

    assert message is not None
    assert decode_tick(message["data"]) == sent


def test_ticks_in_a_row_are_complete_and_a_repeated_one_changes_nothing(
    publisher: QuotePublisher, redis_url: str
) -> None:
    publisher.publish(tick(quote(sequence=1), number=1), reading())
    board = QuoteBoard(redis_url)
    board.load()

    assert board.apply(tick(quote(sequence=2), number=2))
    assert board.apply(tick(quote(sequence=3), number=3))
    assert board.apply(tick(quote(sequence=2), number=2))
    kept = board.get("IBM")
    assert kept is not None
    assert kept.sequence == 3


@pytest.mark.parametrize("unexpected", [tick(number=3), tick(number=1, run="another run"), tick(number=9)])
def test_a_missing_tick_and_a_new_run_are_noticed(
    publisher: QuotePublisher, redis_url: str, unexpected: Tick
) -> None:
    publisher.publish(tick(number=1), reading())
    board = QuoteBoard(redis_url)
    board.load()

    assert not board.apply(unexpected)


def test_a_follower_that_missed_a_tick_reads_what_it_missed(
    publisher: QuotePublisher, redis_url: str
) -> None:
    async def scenario() -> QuoteBoard:
        board = QuoteBoard(redis_url)
        seen: list[int] = []
        following = asyncio.create_task(board.follow(lambda each: seen.append(each.number)))
        publisher.publish(tick(quote("IBM"), number=1), reading())
        await until(lambda: board.get("IBM") is not None)
        publisher.refresh([quote("MISSED", sequence=2)], reading())  # as tick 2 would have left it
        publisher.publish(tick(quote("IBM", sequence=3), number=3), reading())
        await until(lambda: board.get("MISSED") is not None)
        following.cancel()
        assert 3 in seen
        return board

    board = asyncio.run(scenario())

    assert [each.symbol for each in board.all()] == ["IBM", "MISSED"]


def test_a_redis_that_lost_everything_is_noticed_and_a_board_keeps_what_it_knows(
    publisher: QuotePublisher, redis_url: str
) -> None:
    publisher.publish(tick(quote("IBM")), reading())
    board = QuoteBoard(redis_url)
    board.load()
    assert publisher.holds_what_was_published()

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    board.load()

    assert not publisher.holds_what_was_published()
    assert board.get("IBM") == quote("IBM")


def test_a_board_that_met_half_a_redis_does_not_say_what_is_not_listed(
    publisher: QuotePublisher, redis_url: str
) -> None:
    publisher.publish(tick(quote("IBM"), quote("MSFT"), number=1), reading())
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    publisher.publish(tick(quote("IBM", sequence=3), number=2), reading())
    board = QuoteBoard(redis_url)

    board.load()
    half = board.whole, [each.symbol for each in board.all()], publisher.holds_what_was_published()
    publisher.refresh([quote("IBM", sequence=3), quote("MSFT")], reading())
    board.load()

    assert half == (False, ["IBM"], False)
    assert (board.whole, [each.symbol for each in board.all()]) == (True, ["IBM", "MSFT"])


def test_a_follower_of_half_a_redis_looks_again_without_being_told(
    publisher: QuotePublisher, redis_url: str
) -> None:
    async def scenario() -> QuoteBoard:
        publisher.publish(tick(quote("IBM"), number=1), reading())
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        publisher.publish(tick(quote("IBM", sequence=3), number=2), reading())
        board = QuoteBoard(redis_url)
        following = asyncio.create_task(board.follow())
        await until(lambda: board.get("IBM") is not None)
        publisher.refresh([quote("IBM", sequence=3), quote("MSFT")], reading())
        await until(lambda: board.whole)
        following.cancel()
        return board

    assert [each.symbol for each in asyncio.run(scenario()).all()] == ["IBM", "MSFT"]


def test_a_tick_for_a_redis_that_was_away_brings_all_that_was_published(
    publisher: QuotePublisher, redis_url: str
) -> None:
    publisher.publish(tick(quote("IBM"), quote("MSFT"), number=1), reading())
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    board = QuoteBoard(redis_url)

    publisher.publish(
        tick(quote("IBM", sequence=3), number=2), reading(), before=[quote("IBM"), quote("MSFT")]
    )
    board.load()

    assert board.whole
    assert board.get("IBM") == quote("IBM", sequence=3)
    assert board.get("MSFT") == quote("MSFT")


def test_the_executors_progress_is_there_only_while_it_runs(
    publisher: QuotePublisher, redis_url: str
) -> None:
    assert publisher.executor_progress() is None
    with redis.Redis.from_url(redis_url) as client:
        client.set("executor:progress", '{"run": "a run", "number": 7}', ex=5)

    assert publisher.executor_progress() == TickNumber("a run", 7)


async def until(happened: object) -> None:
    assert callable(happened)
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.01)
