"""Roles without HTTP of their own tell their figures to Redis; whoever serves `/metrics` reads them there.

| key | holds | written by |
| --- | --- | --- |
| `figures:{role}:{process}` | a process's `Told`, JSON, for 10 seconds | market, executor, projector, scheduler |
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infrastructure.figures import FIGURES, Told
from infrastructure.redis import connect

log = structlog.get_logger()

EVERY_S = 2.0
LIFE_S = 10
PREFIX = "figures:"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Told).decode


@contextmanager
def telling_figures(redis_url: str, role: str) -> Iterator[None]:
    """Tell this process's figures every 2 seconds, in a thread, until the end."""
    stop = threading.Event()
    thread = threading.Thread(target=_tell, args=(redis_url, role, stop), name="figures", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=2)


def _tell(redis_url: str, role: str, stop: threading.Event) -> None:
    client = connect(redis_url)
    while not stop.is_set():
        told = FIGURES.told(role)
        try:
            client.set(f"{PREFIX}{role}:{told.process}", _encode(told), ex=LIFE_S)
        except (RedisError, OSError) as error:
            log.debug("figures were not told", error=str(error))
        stop.wait(EVERY_S)
    client.close()


async def told_by_others(client: "Redis") -> list[Told]:
    """What other processes said lately; nothing while Redis is away."""
    try:
        keys = [key async for key in client.scan_iter(match=f"{PREFIX}*", count=1000)]
        values = await client.mget(sorted(keys)) if keys else []
    except (RedisError, OSError):
        return []
    return list(_read(values))


def _read(values: Iterable[bytes | str | None]) -> Iterator[Told]:
    for value in values:
        with suppress(msgspec.MsgspecError):  # told by another version of the code
            if value is not None:
                yield _decode(value)
