"""The projector: reads the log in batches and keeps every read table up to it.

Every projection's rows and position are written in one transaction, so a crash at any moment repeats or loses
nothing. The accounts are shared out into partitions; each partition has a worker in a thread of its own, in
whichever of the running projectors holds the partition's lease. It polls, and is woken earlier by whoever
appends.
"""

import threading
from collections.abc import Callable, Sequence

import psycopg
import structlog

from infrastructure.interpreter import hand_over_sooner
from infrastructure.postgres.connections import connect
from infrastructure.projecting.sharing import Shares, require_agreement
from infrastructure.projecting.worker import Worker
from projections.projection import Projection

log = structlog.get_logger()

BATCH = 2_000
POLL_S = 0.25
AGAIN_S = 0.5
"""So long a worker waits that lost PostgreSQL, or met a fault of ours."""

Progress = Callable[[dict[str, int]], None]


class Projector:
    """Runs until `stop`. `wake` is set by whoever knows of new events; `on_progress` is told positions."""

    def __init__(
        self,
        url: str,
        projections: Sequence[Projection],
        *,
        wake: threading.Event,
        on_progress: Progress | None = None,
        batch: int = BATCH,
        partitions: int = 1,
    ) -> None:
        self._url = url
        self._wake = wake
        self._partitions = partitions
        self._shares = Shares(url, partitions)
        self._on_progress = on_progress
        by_name = {projection.name: projection for projection in projections}
        self._workers = [
            Worker(url, by_name, partition=number, partitions=partitions, batch=batch)
            for number in range(partitions)
        ]
        self._wakes = [threading.Event() for _ in self._workers]

    def run(self, stop: threading.Event) -> None:
        """Project until `stop` is set, whatever PostgreSQL does meanwhile.

        Raises ProjectorsMustAgreeOnPartitions, at once or when it comes back to a database that it had lost.
        """
        hand_over_sooner()
        self._shares.keep()
        works = [(self._work, (number, stop)) for number in range(len(self._workers))]
        threads = [threading.Thread(target=work, args=args, daemon=True) for work, args in works]
        threads += [threading.Thread(target=self._shares.run, args=(stop,), daemon=True)]
        for thread in threads:
            thread.start()
        self._pass_on_wake_ups(stop)
        for thread in threads:
            thread.join()
        if self._shares.refusal is not None:
            raise self._shares.refusal

    def catch_up(self) -> None:
        """Project everything there is, then return. For tools and tests; takes no lease.

        Raises ProjectorsMustAgreeOnPartitions.
        """
        with connect(self._url, application="daybook projector") as connection:
            require_agreement(connection, self._partitions)
        for worker in self._workers:
            worker.start()
        while any(self._caught_up(worker) for worker in self._workers):
            pass
        for worker in self._workers:
            worker.close()

    def _caught_up(self, worker: Worker) -> bool:
        return worker.step() or worker.wait_for_rebuilds() or worker.wait_for_retries()

    def _pass_on_wake_ups(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if self._wake.wait(POLL_S):
                self._wake.clear()
                for wake in self._wakes:
                    wake.set()
        for wake in self._wakes:
            wake.set()

    def _work(self, number: int, stop: threading.Event) -> None:
        while not stop.is_set():
            if number not in self._shares.held:
                self._wakes[number].wait(POLL_S)
                self._wakes[number].clear()
                continue
            try:
                self._workers[number].start()
                self._follow(number, stop)
            except psycopg.Error as error:
                log.warning("the projector lost PostgreSQL", partition=number, error=str(error).strip())
                stop.wait(AGAIN_S)
            except Exception:
                log.exception("a partition's worker failed and begins again", partition=number)
                stop.wait(AGAIN_S)
            finally:
                self._workers[number].close()

    def _follow(self, number: int, stop: threading.Event) -> None:
        worker, wake = self._workers[number], self._wakes[number]
        while not stop.is_set() and number in self._shares.held:
            if not worker.step():
                wake.wait(POLL_S)
                wake.clear()
            elif self._on_progress is not None:
                self._on_progress(worker.positions)
