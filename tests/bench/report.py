"""What a run leaves behind: `.bench/latest.json`, and the page docs/benchmarks.md with its table.

Rows of paths that this run did not measure are kept from the run before; a run with QUICK=1 leaves the page alone.
What stands between the markers of the page is written by hand and stays as it is.
"""

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path as File

import msgspec
from msgspec import Struct

from tests.bench import load
from tests.bench.catalogue import PATHS
from tests.bench.plan import QUICK, ROUNDS, SECONDS, Row
from tests.bench.servers import OUTPUT, Bench
from tests.bench.table import cells

PAGE = File("docs/benchmarks.md")
LATEST = OUTPUT / "latest.json"
KEPT = OUTPUT / "rows.json"
BEGIN, END = "<!-- written by hand: begin -->", "<!-- written by hand: end -->"
NOTHING_YET = "\n## Profiles and walls\n\nNothing is written here yet.\n\n"
PACKAGES = ("litestar", "uvicorn", "uvloop", "httptools", "msgspec", "psycopg", "redis", "eventsourcing")


class Dated(Struct):
    """A row and the day it was measured on."""

    day: str
    row: Row


def facts(bench: Bench) -> dict[str, str]:
    """The machine, the versions and how the figures were made."""
    server = bench.server_settings()
    durable = ", ".join(f"{name} {server[name]}" for name in list(server)[1:])
    return {
        "Machine": f"{os.cpu_count()} cores in all ({_processor()}), {_memory_gb():.0f} GB, {platform.system()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{server['server_version']}, {durable}",
        "Packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        "Load generator": load.TOOL,
        "Other work on the machine": f"load average {os.getloadavg()[0]:.1f} before the run",
        "Method": f"median of {ROUNDS} rounds of {SECONDS:g} s, ours and ceiling in turns",
    }


def write(rows: Sequence[Row], found: dict[str, str]) -> None:
    """Write both."""
    LATEST.write_bytes(msgspec.json.format(msgspec.json.encode([_rounded(row) for row in rows])))
    if QUICK or not rows:
        return
    kept = _kept() | {row.path: Dated(f"{datetime.now(UTC):%Y-%m-%d}", row) for row in rows}
    KEPT.write_bytes(msgspec.json.encode(kept))
    order = [path.name for path in PATHS]
    dated = sorted(kept.values(), key=lambda each: order.index(each.row.path.partition(":")[0]))
    by_hand = _by_hand()
    PAGE.write_text("\n".join(_page(dated, found)) + f"\n{BEGIN}{by_hand}{END}\n")


def _page(dated: Sequence[Dated], found: dict[str, str]) -> Iterable[str]:
    yield "# Benchmarks\n"
    yield "Written by `make bench`. Each figure stands beside a ceiling or a peer that was measured in the same run,"
    yield "on the same cores: compare the two, not figures of different machines. Load generator, server and"
    yield "PostgreSQL share the machine.\n"
    yield from (f"- {name}: {value}" for name, value in found.items())
    yield "\n| path | unit | ours | ceiling | ratio | target | met | p50 ms | p95 ms | p99 ms | CPU % | measured |"
    yield "| --- | --- | ---: | ---: | ---: | --- | --- | ---: | ---: | ---: | --- | --- |"
    yield from (f"| {' | '.join(cells(each.row))} | {each.day} |" for each in dated)
    yield "\nCPU is in percent of one core: client · server · PostgreSQL. Notes of the runs:\n"
    yield from (f"- {each.row.path}: {each.row.note}" for each in dated if each.row.note)
    yield "\n## What is measured\n"
    for path in PATHS:
        yield f"**{path.name}**. {path.what} *Ceiling:* {path.ceiling} *Target:* {path.target}.\n"
        yield from (f"![{name}]({name})\n" for name in path.pictures if PAGE.with_name(name).exists())


def _by_hand() -> str:
    text = PAGE.read_text() if PAGE.exists() else ""
    if BEGIN not in text or END not in text:
        return NOTHING_YET
    return text.partition(BEGIN)[2].partition(END)[0]


def _kept() -> dict[str, Dated]:
    try:
        return msgspec.json.decode(KEPT.read_bytes(), type=dict[str, Dated])
    except (OSError, msgspec.MsgspecError):
        return {}


def _rounded(row: Row) -> dict[str, object]:
    values = msgspec.structs.asdict(row)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


def _processor() -> str:
    lines = File("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
