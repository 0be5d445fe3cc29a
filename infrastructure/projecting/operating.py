"""What operators do with projections: see where they stand, and rebuild them while everything goes on."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

import structlog
from msgspec import Struct

from domain.errors import NotFound
from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect
from infrastructure.projecting.folding import standings
from infrastructure.projecting.rebuilding import Progress, Rebuilt, rebuild
from projections.catalogue import BY_NAME

log = structlog.get_logger()


class ProjectionMustExist(NotFound):
    """No projection has this name."""


class ProjectionStatus(Struct, frozen=True, kw_only=True):
    """Where a projection stands: its position, and how many events it is behind the log's end."""

    name: str
    version: int
    position: int
    lag: int
    updated_at: datetime | None
    failure: str | None


class RebuildJob(Struct, kw_only=True):
    """A rebuild asked for over HTTP. `position` of `end` events are folded of the projection at work."""

    job_id: UUID
    projections: list[str]
    state: Literal["running", "done", "failed"] = "running"
    started_at: datetime
    finished_at: datetime | None = None
    working_on: str | None = None
    position: int = 0
    end: int = 0
    results: list[Rebuilt] = []
    error: str | None = None


def require_known(names: Sequence[str]) -> list[str]:
    """The names as given, or all for none. Raises ProjectionMustExist."""
    for name in names:
        if name not in BY_NAME:
            raise ProjectionMustExist(f"there is no projection {name}; there are {', '.join(BY_NAME)}")
    return list(names) or list(BY_NAME)


def statuses(url: str) -> list[ProjectionStatus]:
    """Every projection of the catalogue, in its order."""
    with connect(url, application="daybook projections") as connection:
        end, known = last_row(connection)[0], standings(connection)
    found = []
    for name, projection in BY_NAME.items():
        standing = known.get(name)
        position = standing.position if standing else 0
        found.append(
            ProjectionStatus(
                name=name,
                version=standing.version if standing else projection.version,
                position=position,
                lag=end - position,
                updated_at=standing.updated_at if standing else None,
                failure=standing.failure if standing else None,
            )
        )
    return found


def rebuild_all(url: str, names: Sequence[str], *, progress: Progress | None = None) -> list[Rebuilt]:
    """Rebuild these projections one after the other; none named means all."""
    return [rebuild(url, BY_NAME[name], progress=progress) for name in require_known(names)]


class ProjectionDesk:
    """Rebuilds in the background of a server. Jobs are remembered while the process lives, the last 100."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._jobs: dict[UUID, RebuildJob] = {}

    def status(self) -> list[ProjectionStatus]:
        """Where they stand. Blocks: call it from a thread."""
        return statuses(self._url)

    def start_rebuild(self, names: Sequence[str]) -> UUID:
        """Begin a rebuild and return at once. Raises ProjectionMustExist."""
        job = RebuildJob(job_id=uuid4(), projections=require_known(names), started_at=datetime.now(UTC))
        self._jobs[job.job_id] = job
        while len(self._jobs) > 100:
            del self._jobs[next(iter(self._jobs))]
        threading.Thread(target=self._work, args=(job,), name="rebuild", daemon=True).start()
        return job.job_id

    def job(self, job_id: UUID) -> RebuildJob | None:
        """A job, or None when it is not known here."""
        return self._jobs.get(job_id)

    def _work(self, job: RebuildJob) -> None:
        def progress(name: str, position: int, end: int) -> None:
            job.working_on, job.position, job.end = name, position, end

        try:
            for name in job.projections:
                job.working_on = name
                job.results.append(rebuild(self._url, BY_NAME[name], progress=progress))
            job.state = "done"
        except Exception as error:
            log.exception("a rebuild failed", job=str(job.job_id))
            job.state, job.error = "failed", type(error).__name__
        job.finished_at, job.working_on = datetime.now(UTC), None
