"""The executor role's part."""

import threading

from domain.book import Book
from infrastructure.executing.executor import Executor
from infrastructure.redis.figures import telling_figures
from infrastructure.settings import Settings
from infrastructure.wiring.deciding import deciding
from infrastructure.wiring.urls import urls_of


class RunningExecutor:
    """The executor with its committer."""

    def __init__(self, settings: Settings) -> None:
        self._redis_url = urls_of(settings)[1]
        self._settings = settings

    def run(self, stop: threading.Event) -> None:
        """Execute until `stop` is set. Raises when it must be started anew."""
        with telling_figures(self._redis_url, "executor"), deciding(self._settings) as at_hand:
            Executor(
                database_url=at_hand.database_url,
                redis_url=self._redis_url,
                committer=at_hand.committer,
                book=Book(self._settings.stop_elected_by),
                tell_time=at_hand.clock.tell,
            ).run(stop)


def executor(settings: Settings) -> RunningExecutor:
    """The executor role's part."""
    return RunningExecutor(settings)
