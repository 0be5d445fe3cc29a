"""`python -m tests.bench [path,path…]`: measure the paths, print the table, write .bench/latest.json and the page."""

import os
import signal
import sys
import time

import structlog
from rich.console import Console

from tests.bench import load, report, table
from tests.bench.catalogue import PATHS
from tests.bench.plan import Path, Row
from tests.bench.servers import own_servers


def chosen(text: str) -> list[Path]:
    """The paths named, separated by commas; none named means all that run by default."""
    names = [name for name in text.replace(" ", ",").split(",") if name]
    unknown = set(names) - {path.name for path in PATHS}
    if unknown:
        known = ", ".join(path.name for path in PATHS)
        sys.exit(f"no path is called {', '.join(sorted(unknown))}; there are {known}")
    return [path for path in PATHS if (path.name in names if names else path.by_default)]


def main() -> int:
    """Measure. Returns 0, also when targets are missed; what is wrong raises."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is cleared away
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    console = Console(width=max(170, Console().width))
    paths = chosen(",".join(sys.argv[1:]) or os.environ.get("ONLY", ""))
    rows: list[Row] = []
    with own_servers() as bench:
        facts = report.facts(bench)
        console.print(f"Load generator: {load.TOOL}. PostgreSQL: {facts['PostgreSQL']}", highlight=False)
        for path in paths:
            began = time.monotonic()
            rows += path.measure(bench)
            bench.stop_processes()
            console.print(f"measured {path.name} in {time.monotonic() - began:.0f} s", style="dim")
    table.show(rows, console)
    report.write(rows, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
