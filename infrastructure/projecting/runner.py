"""The projector: reads the log in batches and keeps every read table up to it.

Every projection's rows and position are written in one transaction, so a crash at any moment
repeats or loses nothing. All projections that stand at the same place share one read of the log and
one commit. A projection whose fold fails is set aside and tried again after a while; the others go on.
It polls, and is woken earlier by whoever appends.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import structlog
from msgspec import Struct

from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.projecting import rebuilding
from infrastructure.projecting.folding import (
    PositionMoved,
    Standing,
    begin,
    facts_of,
    fold_into,
    move,
    standings,
)
from projections.projection import Fact, Projection

log = structlog.get_logger()

BATCH = 2_000
POLL_S = 0.25
LEASE_RETRY_S = 0.5
RETRY_FIRST_S = 0.5
RETRY_MOST_S = 30.0


class Retry(Struct):
    """When a projection that failed is tried again."""

    at: float
    delay: float


class Projector:
    """Runs until `stop`. `wake` is set by whoever knows of new events; `on_progress` is told positions."""

    def __init__(
        self,
        url: str,
        projections: Sequence[Projection],
        *,
        wake: threading.Event,
        on_progress: Callable[[dict[str, int]], None] | None = None,
        batch: int = BATCH,
    ) -> None:
        self._url = url
        self._projections = {projection.name: projection for projection in projections}
        self._wake = wake
        self._on_progress = on_progress
        self._batch = batch
        self._lease = Lease(url, "projector")
        self._connection: psycopg.Connection[Any] | None = None
        self._standings: dict[str, Standing] = {}
        self._retries: dict[str, Retry] = {}

    def run(self, stop: threading.Event) -> None:
        """Project until `stop` is set, whatever PostgreSQL does meanwhile."""
        while not stop.is_set():
            try:
                if not self._lease.hold():
                    stop.wait(LEASE_RETRY_S)
                    continue
                self._start()
                self._follow(stop)
            except psycopg.Error as error:
                log.warning("the projector lost PostgreSQL", error=str(error).strip())
                self._close()
                stop.wait(LEASE_RETRY_S)
        self._close()
        self._lease.release()

    def catch_up(self) -> None:
        """Project everything there is, then return. For tools and tests; takes no lease."""
        self._start()
        while self._step():
            pass
        self._close()

    def _start(self) -> None:
        self._close()
        self._connection = connect(self._url, application="daybook projector")
        for projection in self._projections.values():
            begin(self._connection, projection)
        self._standings = standings(self._connection)

    def _follow(self, stop: threading.Event) -> None:
        checked = time.monotonic()
        while not stop.is_set():
            if not self._step():
                self._wake.wait(POLL_S)
                self._wake.clear()
            if time.monotonic() - checked > LEASE_RETRY_S:
                checked = time.monotonic()
                if not self._lease.hold():
                    return

    def _step(self) -> bool:
        """Fold one batch. False when there was nothing to do."""
        connection = self._connection
        assert connection is not None, "a projector is started before it steps"  # noqa: S101
        due = [name for name in self._due() if self._is_of_this_version(connection, name)]
        if not due:
            return False
        start = min(self._standings[name].position for name in due)
        rows = read_after(connection, start, limit=self._batch)
        if not rows:
            return False
        facts = facts_of(rows)
        if not self._together(connection, due, facts):
            for name in due:
                self._alone(connection, name, facts)
        self._report()
        return True

    def _due(self) -> list[str]:
        now = time.monotonic()
        return [
            name for name in self._projections if name not in self._retries or self._retries[name].at <= now
        ]

    def _is_of_this_version(self, connection: psycopg.Connection[Any], name: str) -> bool:
        """Whether the table was made by the code as it is; if not, it is rebuilt now."""
        projection = self._projections[name]
        if self._standings[name].version == projection.version:
            return True
        log.info("rebuilding a projection whose code has changed", projection=name)
        try:
            rebuilding.rebuild(self._url, projection)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001  shown in status and tried again
            self._set_aside(connection, name, error)
            return False
        self._standings[name] = standings(connection)[name]
        return True

    def _together(self, connection: psycopg.Connection[Any], due: Sequence[str], facts: list[Fact]) -> bool:
        """Fold the batch into all projections in one transaction. False when one of them failed."""
        moved = {}
        try:
            with connection.transaction():
                for name in due:
                    moved[name] = self._fold(connection, name, facts)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001  whichever failed is found by folding each alone
            log.info("a batch failed, folding one projection at a time", error=repr(error))
            return False
        self._arrive(moved)
        return True

    def _alone(self, connection: psycopg.Connection[Any], name: str, facts: list[Fact]) -> None:
        try:
            with connection.transaction():
                moved = {name: self._fold(connection, name, facts)}
        except PositionMoved:
            self._standings[name] = standings(connection)[name]
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001  shown in status and tried again
            self._set_aside(connection, name, error)
        else:
            self._arrive(moved)

    def _fold(self, connection: psycopg.Connection[Any], name: str, facts: list[Fact]) -> int:
        position = self._standings[name].position
        new = [fact for fact in facts if fact.log_position > position]
        if not new:
            return position
        # The standing is locked before the table, as a rebuild does it: so neither waits for the other in
        # a circle, and whoever was overtaken learns it before he writes a row.
        move(connection, name, before=position, after=new[-1].log_position)
        fold_into(connection, self._projections[name], new)
        return new[-1].log_position

    def _arrive(self, moved: dict[str, int]) -> None:
        for name, position in moved.items():
            was = self._standings[name]
            self._standings[name] = Standing(name, was.version, position, was.updated_at, None)
            self._retries.pop(name, None)

    def _set_aside(self, connection: psycopg.Connection[Any], name: str, error: Exception) -> None:
        delay = min(self._retries[name].delay * 2, RETRY_MOST_S) if name in self._retries else RETRY_FIRST_S
        self._retries[name] = Retry(time.monotonic() + delay, delay)
        log.exception("a projection failed and is set aside", projection=name, retry_in_s=delay)
        connection.execute("UPDATE projections SET failure = %s WHERE name = %s", (repr(error)[:500], name))

    def _report(self) -> None:
        if self._on_progress is not None:
            self._on_progress({name: standing.position for name, standing in self._standings.items()})

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
