"""The names of all Redis channels and keys, and subscriptions that outlive a server's restart.

A subscription that is lost is made again, and `reconnects` goes up once it stands: whatever was
published meanwhile is gone, so a reader that sees a new number reads the state itself again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.exceptions import RedisError

from infrastructure.redis import connect, connect_async

QUOTE_UPDATES = "quote_updates"
LOG_APPENDED = "log_appended"
PROJECTED = "projected"
MARKET_DAY = "market_day"
PEOPLE_ERASED = "people_erased"

Message = tuple[str, bytes]  # channel and payload

CONFIRMED_WITHIN = 1.0  # seconds that the start waits for the server's confirmation
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two attempts to reach a server that is away


class _Confirmations:
    """Counts how often the server has confirmed a subscription, to tell a reconnect."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._last = channels[-1].encode()
        self.expected_first = True
        self.seen = 0
        self.reconnects = 0

    def payload(self, message: dict[str, Any]) -> Message | None:
        """What a message carries, or None when it is the server talking about the subscription."""
        if message["type"] == "message":
            return message["channel"].decode(), message["data"]
        if message["type"] == "subscribe" and message["channel"] == self._last:
            self.seen += 1
            self.reconnects += not self.expected_first
            self.expected_first = False
        return None


class Subscription:
    """Listens to channels. It stands once the constructor returns, unless the server is away.

    A server that is away at first is waited for by `get`; its coming back counts as a reconnect.
    Not for several threads at once.
    """

    def __init__(self, redis_url: str, channels: Sequence[str]) -> None:
        self._client = connect(redis_url)
        self._channels = list(channels)
        self._pubsub: Any = self._client.pubsub()  # type: ignore[no-untyped-call] # redis-py gives no types here
        self._confirmations = _Confirmations(channels)
        self._pause = FIRST_PAUSE
        self._waiting: Message | None = None
        deadline = time.monotonic() + CONFIRMED_WITHIN
        while not self._confirmations.seen and self._waiting is None and time.monotonic() < deadline:
            self._waiting = self._attempt(deadline)
        self._confirmations.expected_first = False

    @property
    def reconnects(self) -> int:
        """How often the subscription has been made again: messages may have been missed each time."""
        return self._confirmations.reconnects

    def get(self, timeout: float) -> Message | None:
        """The next message, channel and payload, or None after `timeout` seconds. Never raises for Redis."""
        if self._waiting is not None:
            first, self._waiting = self._waiting, None
            return first
        deadline = time.monotonic() + timeout
        reconnects = self.reconnects
        while True:
            message = self._attempt(deadline)
            # A reader must learn of a reconnect before it waits for a message that may never come.
            if message is not None or self.reconnects != reconnects or time.monotonic() >= deadline:
                return message

    def close(self) -> None:
        """Let go of the connection."""
        self._pubsub.close()
        self._client.close()

    def _attempt(self, deadline: float) -> Message | None:
        try:
            if not self._pubsub.subscribed:
                self._pubsub.subscribe(*self._channels)
            remaining = max(0.0, deadline - time.monotonic())
            message = self._pubsub.get_message(timeout=remaining)
            self._pause = FIRST_PAUSE
        except (RedisError, OSError):
            time.sleep(max(0.0, min(self._pause, deadline - time.monotonic())))
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return None
        return None if message is None else self._confirmations.payload(message)


class AsyncSubscription:
    """The same for asyncio: `await start()` (or the first `get`) subscribes; iterating never ends."""

    def __init__(self, redis_url: str, channels: Sequence[str]) -> None:
        self._client: Any = connect_async(redis_url)
        self._channels = list(channels)
        self._pubsub: Any = self._client.pubsub()
        self._confirmations = _Confirmations(channels)
        self._pause = FIRST_PAUSE
        self._waiting: Message | None = None
        self._started = False

    @property
    def reconnects(self) -> int:
        """How often the subscription has been made again: messages may have been missed each time."""
        return self._confirmations.reconnects

    async def start(self) -> None:
        """Subscribe, and wait a second at most for the server to confirm it."""
        if self._started:
            return
        self._started = True
        deadline = time.monotonic() + CONFIRMED_WITHIN
        while not self._confirmations.seen and self._waiting is None and time.monotonic() < deadline:
            self._waiting = await self._attempt(deadline)
        self._confirmations.expected_first = False

    async def get(self, timeout: float) -> Message | None:  # noqa: ASYNC109, RUF100 - as `Subscription.get`
        """The next message, channel and payload, or None after `timeout` seconds. Never raises for Redis."""
        await self.start()
        if self._waiting is not None:
            first, self._waiting = self._waiting, None
            return first
        deadline = time.monotonic() + timeout
        reconnects = self.reconnects
        while True:
            message = await self._attempt(deadline)
            if message is not None or self.reconnects != reconnects or time.monotonic() >= deadline:
                return message

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            message = await self.get(timeout=LONGEST_PAUSE)
            if message is not None:
                yield message

    async def close(self) -> None:
        """Let go of the connection."""
        await self._pubsub.aclose()
        await self._client.aclose()

    async def _attempt(self, deadline: float) -> Message | None:
        try:
            if not self._pubsub.subscribed:
                await self._pubsub.subscribe(*self._channels)
            remaining = max(0.0, deadline - time.monotonic())
            message = await self._pubsub.get_message(timeout=remaining)
            self._pause = FIRST_PAUSE
        except (RedisError, OSError):
            await asyncio.sleep(max(0.0, min(self._pause, deadline - time.monotonic())))
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return None
        return None if message is None else self._confirmations.payload(message)
