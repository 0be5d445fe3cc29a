"""The projector role's part, with the watch over the books beside it."""

import threading

from infrastructure.books.watching import BooksWatch
from infrastructure.memory import keep_what_is_here
from infrastructure.projecting.runner import Projector
from infrastructure.redis.channels import LOG_APPENDED, Subscription
from infrastructure.redis.figures import telling_figures
from infrastructure.redis.wakeups import Announcer
from infrastructure.settings import Settings
from infrastructure.wiring.urls import urls_of
from projections.catalogue import PROJECTIONS


class RunningProjector:
    """A projector with the wake-ups it listens to and sends."""

    def __init__(self, settings: Settings) -> None:
        database_url, self._redis_url = urls_of(settings)
        self._wake = threading.Event()
        self._announcer = Announcer(self._redis_url)
        self._projector = Projector(
            database_url,
            PROJECTIONS,
            wake=self._wake,
            on_progress=self._announcer.projected,
            partitions=settings.projector_partitions,
        )
        self._watch = BooksWatch(database_url)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, stop: threading.Event) -> None:
        """Project until `stop` is set."""
        listener = threading.Thread(target=self._listen, args=(stop,), name="wake-ups", daemon=True)
        listener.start()
        watch = threading.Thread(target=self._watch.run, args=(stop,), name="books", daemon=True)
        watch.start()
        keep_what_is_here()
        with telling_figures(self._redis_url, "projector"):
            self._projector.run(stop)
        listener.join(timeout=2)
        watch.join(timeout=2)
        self._announcer.close()

    def start(self) -> "RunningProjector":
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, args=(self._stop,), name="projector", daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def stop(self) -> None:
        """End it and wait."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def _listen(self, stop: threading.Event) -> None:
        subscription = Subscription(self._redis_url, [LOG_APPENDED])
        while not stop.is_set():
            if subscription.get(timeout=0.2) is not None:
                self._wake.set()
        subscription.close()


def projector(settings: Settings) -> RunningProjector:
    """The projector role's part."""
    return RunningProjector(settings)
