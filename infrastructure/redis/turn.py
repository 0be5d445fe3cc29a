"""Whose turn it is to publish: of several market processes on one Redis, one speaks and the others wait.

The turn is a key with a short life that its holder renews. When Redis forgets it, the holder takes it again;
when another has it, the holder has been away too long and must stop speaking.
"""

import threading
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from infrastructure.redis import connect

log = structlog.get_logger()

KEY = "market:turn"
LIFE_MS = 3_000
RENEW_S = 1.0
ASK_AGAIN_S = 0.3


class Turn:
    """The right to publish quotes. Redis that is away leaves things as they are."""

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._token = uuid4().hex.encode()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for the turn. False when `stop` came first."""
        said = False
        while not stop.is_set():
            if self._hold():
                return True
            if not said:
                log.warning("another market publishes here; waiting for its end")
                said = True
            stop.wait(ASK_AGAIN_S)
        return False

    def keep(self, stop: threading.Event) -> threading.Thread:
        """Renew the turn in a thread until `stop`; set `stop` when it is lost to another."""
        thread = threading.Thread(target=self._renew, args=(stop,), name="market-turn", daemon=True)
        thread.start()
        return thread

    def give_up(self) -> None:
        """Let another speak, at once."""
        try:
            if self._client.get(KEY) == self._token:
                self._client.delete(KEY)
        except (RedisError, OSError):
            pass  # it ends by itself
        self._client.close()

    def _renew(self, stop: threading.Event) -> None:
        while not stop.wait(RENEW_S):
            if not self._hold():
                log.error("another market publishes here; this one stops")
                stop.set()

    def _hold(self) -> bool:
        try:
            if self._client.set(KEY, self._token, nx=True, px=LIFE_MS):
                return True
            if self._client.get(KEY) != self._token:
                return False
            self._client.pexpire(KEY, LIFE_MS)
        except (RedisError, OSError) as error:
            log.debug("the turn could not be renewed", error=str(error))
        return True
