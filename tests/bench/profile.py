"""Where the api role's time goes under the orders path: functions by the time in themselves."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path as File

from rich.console import Console

from infrastructure.settings import Settings
from tests.bench.customers import order_calls
from tests.bench.load import Load
from tests.bench.orders import Desk
from tests.bench.plan import QUICK, Path, Row
from tests.bench.servers import OUTPUT, Bench, until

S = 5 if QUICK else 15
RAW = OUTPUT / "profile.raw"
TEXT = OUTPUT / "profile.txt"
TOP = 10
SHOWN = 40

_LINE = re.compile(r":\d+\)$")
PY_SPY = shutil.which(
    "py-spy", path=f"{File(sys.executable).parent}:/usr/local/bin:/usr/bin"
) or shutil.which("py-spy")
TOOL = "py-spy, of threads that hold the interpreter" if PY_SPY else "our own sampler"


def measure(bench: Bench) -> list[Row]:
    """Load for some seconds, with py-spy on the api role, or with a sampler in it."""
    load = Load()
    RAW.unlink(missing_ok=True)
    desk = Desk(bench, load, start=None if PY_SPY else _sampled_api)
    recorder = _recorder(desk.api.pid) if PY_SPY else None
    found = desk.order(order_calls(desk.customers), seconds=S)
    if recorder is not None:
        recorder.wait(60)
    load.close()
    _say(f"{found.rate:,.0f} orders/s while sampled with {TOOL}")
    return []


def _recorder(pid: int) -> subprocess.Popen[bytes]:
    argv = [
        str(PY_SPY),
        "record",
        "-p",
        str(pid),
        "-d",
        str(S),
        "-r",
        "200",
        "-f",
        "raw",
        "--threads",
        "--gil",
    ]
    return subprocess.Popen([*argv, "-o", str(RAW)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _sampled_api(bench: Bench, settings: Settings) -> subprocess.Popen[bytes]:
    process = bench.python("tests.bench.sampling", str(RAW), **settings.as_environment())
    until(lambda: RAW.exists(), "the api role is sampled")
    return process


def _say(headline: str) -> None:
    lines = [headline, *_table(RAW.read_text().splitlines())]
    TEXT.write_text("\n".join(lines[: TOP + 2 + len(_threads(RAW.read_text().splitlines()))]) + "\n")
    Console().print("\n".join(lines), highlight=False)


def _table(stacks: list[str]) -> list[str]:
    """Threads, then functions by the samples that ended in them."""
    own: Counter[str] = Counter()
    for stack, count in map(_split, stacks):
        own[_LINE.sub(")", stack.split(";")[-1])] += count
    whole = sum(own.values())
    functions = [f"{count / whole:6.1%}  {function}" for function, count in own.most_common(SHOWN)]
    return [*_threads(stacks), "self    function", *functions]


def _threads(stacks: list[str]) -> list[str]:
    threads: Counter[str] = Counter()
    for stack, count in map(_split, stacks):
        threads[stack.split(";")[0]] += count
    whole = sum(threads.values())
    return [f"{count / whole:6.1%}  {thread}" for thread, count in threads.most_common(4)]


def _split(line: str) -> tuple[str, int]:
    stack, _, count = line.rpartition(" ")
    return stack, int(count)


PATH = Path(
    name="profile",
    what="No figure: samples the api role under the orders path and prints the functions by self time; the top ten are "
    "kept in .bench/profile.txt.",
    ceiling="None.",
    target="none",
    measure=measure,
    by_default=False,
)
