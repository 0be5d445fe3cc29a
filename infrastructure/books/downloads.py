"""Exports for an event loop: made in threads, handed on piece by piece, at most a few at once."""

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import partial

from application.errors import ExportsMustBeFew
from infrastructure.books.exporting import Format, export
from infrastructure.books.scope import Wanted

AT_ONCE = 3
PARTS_AHEAD = 8
LOOK_S = 0.5
PATIENCE_S = 30.0
"""So long a piece waits for a client that does not read: the export holds a moment of the database meanwhile."""

Part = bytes | BaseException | None
"""A piece; None at the end, or what went wrong."""


class ClientMustRead(Exception):
    """The client has not read on for too long, so the rest of its file was not made."""


class Exports:
    """Begins exports; each holds a connection of its own to PostgreSQL until it has ended."""

    def __init__(self, url: str, now: Callable[[], datetime]) -> None:
        self._url = url
        self._now = now
        self._running = threading.BoundedSemaphore(AT_ONCE)

    async def begin(self, format: Format, wanted: Wanted) -> AsyncIterator[bytes]:
        """The pieces of the books as a file. Raises as `stream` does, and whatever `export` refuses."""
        return await self.stream(partial(export, self._url, format, wanted, now=self._now, patience=2))

    async def stream(self, make: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
        """The pieces of any file. Raises ExportsMustBeFew, and whatever is refused before the first piece."""
        if not self._running.acquire(blocking=False):
            raise ExportsMustBeFew(f"{AT_ONCE} exports are being made already; try again")
        making = _Making(make(), on_end=self._running.release)
        try:
            first = await making.next()
        except BaseException:
            making.stop()
            raise
        return making.parts(first)


class _Making:
    """One export in a thread of its own. Whoever no longer wants it calls `stop`; it then ends by itself."""

    def __init__(self, parts: Iterator[bytes], *, on_end: Callable[[], None]) -> None:
        self._parts = parts
        self._on_end = on_end
        self._ready: queue.Queue[Part] = queue.Queue(PARTS_AHEAD)
        self._stopped = threading.Event()
        threading.Thread(target=self._make, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    async def next(self) -> bytes | None:
        """The next piece, None at the end. Raises what the export raised."""
        while True:
            try:
                part = await asyncio.to_thread(self._ready.get, timeout=LOOK_S)
            except queue.Empty:
                if self._stopped.is_set():
                    raise ClientMustRead("the client has not read on for too long") from None
                continue
            if isinstance(part, BaseException):
                raise part
            return part

    async def parts(self, first: bytes | None) -> AsyncIterator[bytes]:
        part = first
        try:
            while part is not None:
                yield part
                part = await self.next()
        finally:
            self.stop()

    def _make(self) -> None:
        last: Part = None
        try:
            with closing(self._parts) as parts:  # type: ignore[type-var]  # a generator
                for part in parts:
                    if not self._put(part):
                        return
        except BaseException as error:  # noqa: BLE001  it is raised where the export is waited for
            last = error
        finally:
            self._on_end()
        self._put(last)

    def _put(self, part: Part) -> bool:
        """Whether anybody still wants it."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._stopped.is_set():
            if time.monotonic() > deadline:
                self.stop()
                return False
            try:
                self._ready.put(part, timeout=LOOK_S)
            except queue.Full:
                continue
            return True
        return False
