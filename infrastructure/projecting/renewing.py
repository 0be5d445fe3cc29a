"""Tables of an older version of the code are rebuilt by the projector itself, in threads beside its work."""

import threading
from collections.abc import Callable

import structlog

from infrastructure.projecting import rebuilding
from projections.projection import Projection

log = structlog.get_logger()


class Rebuilds:
    """Those that were begun here, by projection; one at a time of each."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._threads: dict[str, threading.Thread] = {}

    def begin(self, projection: Projection, failed: Callable[[Exception], None]) -> None:
        """Rebuild it, unless that has begun. `failed` is called in the thread that rebuilds."""
        if projection.name in self._threads:
            return
        log.info("rebuilding a projection whose code has changed", projection=projection.name)
        thread = threading.Thread(target=self._rebuild, args=(projection, failed), daemon=True)
        self._threads[projection.name] = thread
        thread.start()

    def has_ended(self, name: str) -> bool:
        """Whether none is at work here, so that it is worth a look how the table is now."""
        thread = self._threads.get(name)
        if thread is not None and thread.is_alive():
            return False
        self._threads.pop(name, None)
        return True

    def wait(self) -> bool:
        """Wait for all of them. Whether there were any."""
        waiting = list(self._threads.values())
        for thread in waiting:
            thread.join()
        self._threads.clear()
        return bool(waiting)

    def _rebuild(self, projection: Projection, failed: Callable[[Exception], None]) -> None:
        try:
            rebuilding.rebuild(self._url, projection, is_asked_for=False)
        except Exception as error:  # noqa: BLE001  shown in status and tried again
            failed(error)
