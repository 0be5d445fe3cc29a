"""Chooses the load generator: `wrk` with a Lua script when it is installed, else our own client.

`wrk` drops what is under way when its time is over, so a log may then hold up to one order a connection more
than were acknowledged; our own client waits for every answer. What needs a rate of its own always goes through
our own client, because `wrk` has none.
"""

import multiprocessing
import resource
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from tests.bench.client import Call, Outcome, Spec, drive

WRK = shutil.which("wrk")
TOOL = "wrk with a Lua script" if WRK else "our own epoll client (no wrk is installed)"

_SCRIPT = Path(__file__).with_name("wrk.lua")
_runs = count(1)


class _Said(Struct):
    """The last line of wrk.lua; latencies in microseconds."""

    requests: int
    us: int
    refused: int
    broken: int
    p50: int
    p95: int
    p99: int


class Load:
    """Generates load from a process of its own, which stays for all runs."""

    def __init__(self) -> None:
        self._pool = multiprocessing.get_context("spawn").Pool(1)

    def close(self) -> None:
        """End the process."""
        self._pool.terminate()
        self._pool.join()

    def run(
        self,
        port: int,
        calls: list[Call],
        *,
        seconds: float,
        connections: int = 128,
        rate: float | None = None,
        warm_s: float = 1.0,
    ) -> Outcome:
        """Send `calls` in turn for so long. Keys never repeat, also not in another run."""
        spec = Spec(
            port=port,
            calls=calls,
            seconds=seconds,
            keys=f"run-{next(_runs)}-",
            connections=connections,
            warm_s=warm_s,
            rate=rate,
        )
        if WRK and rate is None:
            return _with_wrk(spec)
        return self._pool.apply(drive, (spec,))

    def yes(self, status: int) -> int:
        """What a yes counts as: wrk only tells it from a no."""
        return 201 if WRK else status

    @property
    def slack(self) -> int:
        """How many answers may be missing for each connection at the end of a run that has no rate."""
        return 1 if WRK else 0


def _with_wrk(spec: Spec) -> Outcome:
    with tempfile.NamedTemporaryFile() as file:
        for each in spec.calls:
            file.write(each.head + (b"\2" + each.tail if each.has_key else b"") + b"\1")
        file.flush()
        warm = _wrk(
            structs.replace(spec, seconds=max(1, round(spec.warm_s)), keys=spec.keys + "w"), file.name
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = _wrk(spec, file.name)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _outcome(said, warm, 100 * used / (said.us / 1e6))


def _wrk(spec: Spec, calls: str) -> _Said:
    argv = [str(WRK), "-t1", f"-c{spec.connections}", f"-d{round(spec.seconds)}s", "-s", str(_SCRIPT)]
    argv += [f"http://127.0.0.1:{spec.port}", "--", calls, spec.keys]
    said = subprocess.run(argv, check=True, capture_output=True).stdout
    return msgspec.json.decode(said.strip().splitlines()[-1], type=_Said)


def _outcome(said: _Said, warm: _Said, client_cpu: float) -> Outcome:
    refused = said.refused + warm.refused
    yes = said.requests + warm.requests - refused
    return Outcome(
        rate=said.requests / (said.us / 1e6),
        ok_rate=(said.requests - said.refused) / (said.us / 1e6),
        statuses={201: yes} | ({599: refused} if refused else {}),
        p50_ms=said.p50 / 1000,
        p95_ms=said.p95 / 1000,
        p99_ms=said.p99 / 1000,
        client_cpu=round(client_cpu, 1),
        lost=said.broken + warm.broken,
    )
