"""Commands that wait for their answer, and how the answer reaches whoever waits."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from application.answers import Answer
from application.requests import Request

Waiter = Future[Answer] | asyncio.Future[Answer]


class Job:
    """One request on its way through the committer: in the end it has an answer or an error."""

    __slots__ = ("answer", "error", "request", "waiter")

    def __init__(self, request: Request, waiter: Waiter) -> None:
        self.request = request
        self.waiter = waiter
        self.answer: Answer | None = None
        self.error: Exception | None = None

    def again(self) -> None:
        """Forget the outcome: the batch will be decided once more."""
        self.answer = self.error = None


def deliver(jobs: Iterable[Job]) -> None:
    """Hand out the outcomes; all that wait on one event loop are woken with a single call into it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = defaultdict(list)
    for job in jobs:
        if isinstance(job.waiter, asyncio.Future):
            by_loop[job.waiter.get_loop()].append(job)
        else:
            _settle(job)
    for loop, waiting in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_all, waiting)


def _settle_all(jobs: list[Job]) -> None:
    for job in jobs:
        _settle(job)


def _settle(job: Job) -> None:
    waiter: Any = job.waiter
    if waiter.done():
        return  # whoever waited has gone; what was decided stands
    if job.error is not None:
        waiter.set_exception(job.error)
    else:
        waiter.set_result(job.answer)
