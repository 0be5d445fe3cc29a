"""Rebuilds and verifications asked for over HTTP: each a process of its own, so that the server's answers do not wait for it."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

import msgspec
import structlog
from msgspec import Struct

from infrastructure.embedded.children import end_with_parent
from infrastructure.projecting.rebuild.child import VARIABLE, Line, Order
from infrastructure.projecting.rebuild.reports import Rebuilt, Report
from infrastructure.projecting.verifying import Verified

log = structlog.get_logger()

JOBS_MAX = 100
_lines = msgspec.json.Decoder(Line)


class RebuildJob(Struct, kw_only=True):
    """Work asked for over HTTP. `position` of `end` events are folded of the projection that was heard of last.

    `progress` is the last report of each projection that is rebuilt. A verification is `working_on` the proofs or
    the rows of all; `is_right` says in the end whether everything that was `verified` is, and no account is parked.
    """

    job_id: UUID
    work: Literal["rebuild", "verify"] = "rebuild"
    projections: list[str]
    parallel: int = 1
    state: Literal["running", "paused", "done", "failed"] = "running"
    started_at: datetime
    finished_at: datetime | None = None
    working_on: str | None = None
    position: int = 0
    end: int = 0
    rate: float | None = None
    eta_s: float | None = None
    progress: list[Report] = []
    results: list[Rebuilt] = []
    verified: list[Verified] = []
    is_right: bool | None = None
    error: str | None = None


class RebuildDesk:
    """Jobs are remembered while the process lives, the last 100. They end with it; another `rebuild` goes on."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._jobs: dict[UUID, RebuildJob] = {}

    def start(self, order: Order) -> UUID:
        """Begin and return at once. The names must be known."""
        job = RebuildJob(
            job_id=uuid4(),
            work=order.work,
            projections=order.names,
            parallel=order.parallel,
            started_at=datetime.now(UTC),
        )
        self._jobs[job.job_id] = job
        while len(self._jobs) > JOBS_MAX:
            del self._jobs[next(iter(self._jobs))]
        threading.Thread(target=self._work, args=(job, order), name=order.work, daemon=True).start()
        return job.job_id

    def job(self, job_id: UUID) -> RebuildJob | None:
        """A job, or None when it is not known here."""
        return self._jobs.get(job_id)

    def _work(self, job: RebuildJob, order: Order) -> None:
        try:
            with _child(order) as child:
                assert child.stdout is not None, "it was asked for"  # noqa: S101
                for line in child.stdout:
                    _heard(job, _lines.decode(line))
            _ended(job, child.returncode)
        except Exception as error:
            log.exception("a job failed", work=order.work, job=str(job.job_id))
            job.state, job.error = "failed", type(error).__name__
        job.finished_at, job.working_on, job.eta_s = datetime.now(UTC), None, None


@contextlib.contextmanager
def _child(order: Order) -> Iterator["subprocess.Popen[bytes]"]:
    # The kernel signals the child when this thread ends, and this thread ends when the child does.
    with subprocess.Popen(
        [sys.executable, "-m", "infrastructure.projecting.rebuild.child"],
        env={**os.environ, VARIABLE: msgspec.json.encode(order).decode()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=end_with_parent,
    ) as child:
        try:
            yield child
        except BaseException:
            child.kill()
            raise


def _heard(job: RebuildJob, line: Line) -> None:
    if line.error is not None:
        job.error = line.error
    if line.result is not None:
        job.results.append(line.result)
    if line.verifying is not None:
        at = line.verifying
        job.working_on, job.position, job.end = at.what, at.position, at.end
    if line.verified is not None:
        job.verified.append(line.verified)
    if line.report is not None:
        report = line.report
        others = [one for one in job.progress if one.projection != report.projection]
        job.progress = [*others, report]
        job.working_on, job.position, job.end = report.projection, report.position, report.end
        job.rate, job.eta_s = report.rate, report.eta_s
        job.state = "paused" if all(one.phase == "paused" for one in job.progress) else "running"


def _ended(job: RebuildJob, code: int) -> None:
    failures = [f"{result.projection}: {result.failure}" for result in job.results if result.failure]
    if failures:
        job.error = "; ".join(failures)
    if code and job.error is None:
        job.error = f"the process ended with {code}"
    job.state = "failed" if job.error else "done"
    if job.work == "verify" and not job.error:
        job.is_right = all(found.is_complete for found in job.verified)
