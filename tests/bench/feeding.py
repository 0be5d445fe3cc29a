"""Gives commands to a committer in this process, as fast as it takes them."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from application.answers import Answer
from application.requests import Request
from infrastructure.eventstore.committer import Committer
from infrastructure.memory import keep_what_is_here
from infrastructure.redis.market_clock import WallClock
from infrastructure.settings import Settings
from infrastructure.wiring.deciding import committer_settings
from tests.bench.stories import SYMBOLS, fill_of, limit_order

WINDOW = 2_048
"""So many commands wait at most: enough that a batch is always full."""


class Fed(Struct, kw_only=True):
    """How it went: commands answered, exceptions among them, and the batches' last log positions."""

    commands: int
    errors: int
    seconds: float
    batches: list[int]


class Feeder:
    """A committer of its own, with the settings and rules that a deployment has by default, and what it is given."""

    def __init__(self, url: str) -> None:
        keep_what_is_here()  # as the roles do
        self.batches: list[int] = []
        self.committer = Committer(
            url, clock=WallClock(), settings=committer_settings(Settings()), on_commit=self._note
        ).start()

    def feed(self, requests: Sequence[Request], *, until: float | None = None) -> Fed:
        """Give all of these, or as many as fit until then, and wait for the last answer.

        From an event loop, as the api does it: its futures cost a tenth of those for threads.
        """
        return asyncio.run(self._feed(requests, until))

    async def _feed(self, requests: Sequence[Request], until: float | None) -> Fed:
        futures: list[asyncio.Future[Answer]] = []
        self.batches.clear()
        began = time.monotonic()
        for number, request in enumerate(requests):
            while self.committer.waiting >= WINDOW:
                await asyncio.sleep(0.0005)
            if until is not None and number % 64 == 0 and time.time() >= until:
                break
            futures.append(self.committer.submit_async(request))
        await asyncio.wait(futures, timeout=60)
        errors = sum(not future.done() or future.exception() is not None for future in futures)
        seconds = time.monotonic() - began
        return Fed(commands=len(futures), errors=errors, seconds=seconds, batches=list(self.batches))

    def stop(self) -> None:
        """End the committer."""
        self.committer.stop()

    def _note(self, log_position: int, _orders: object) -> None:
        self.batches.append(log_position)


def purchases(accounts: Sequence[UUID], count: int) -> list[Request]:
    """So many orders to buy, each with the execution that fills it: five events a pair."""
    found = []
    for number in range(count):
        account_id, symbol = accounts[number % len(accounts)], SYMBOLS[number % 20]
        order = limit_order(account_id, symbol)
        found.append(Request.by_role("bench", order))
        found.append(Request.by_role("bench", fill_of(account_id, order.order_id, symbol)))
    return found


def placements(accounts: Sequence[UUID], count: int) -> list[Request]:
    """So many orders to buy that rest."""
    return [
        Request.by_role("bench", limit_order(accounts[number % len(accounts)], SYMBOLS[number % 1000]))
        for number in range(count)
    ]
