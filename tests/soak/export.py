"""Export a long log, and see that memory does not grow with it: `python -m tests.soak.export --trades 100000`.

Exports run in processes of their own, whose peak of memory is measured, for a log and for one four times as long.
The check of the books runs over both, too.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from infrastructure.books.check import check_books
from infrastructure.books.exporting import FORMATS
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.postgres.migrate import migrate
from tests.soak.export_log import trades

GROWTH_MB_MAX = 24.0
"""A log four times as long may want so much more: buffers that depend on how things fall, not on how many there are."""

_CHILD = """
import re, sys
from infrastructure.books.exporting import export
from infrastructure.books.scope import Wanted
size = sum(len(part) for part in export(sys.argv[1], sys.argv[2], Wanted()))
# Not ru_maxrss: that begins with what the process that started this one had.
print(size, re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))
"""


class Exported(Struct, frozen=True):
    """One export: its bytes, the most memory it took, how long it ran and what processor time of ours."""

    form: str
    size_mb: float
    peak_mb: float
    seconds: float
    cpu_s: float


def say(words: str) -> None:
    """A line of the report."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def measured(url: str, form: str) -> Exported:
    """Export in a process of its own."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, url, form],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    size, peak = map(int, done.stdout.split())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Exported(form, size / 2**20, peak / 1024, time.monotonic() - began, cpu)


def main() -> int:
    """Returns the exit code: 1 when memory grew with the log or the books were not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=100_000)
    asked = parser.parse_args()
    peaks: dict[str, list[float]] = {form: [] for form in FORMATS}
    for count in (asked.trades // 4, asked.trades):
        if not _round(count, peaks):
            return 1
    grown = {form: after - before for form, (before, after) in peaks.items()}
    say(f"growth in MB: { {form: round(by, 1) for form, by in grown.items()} }")
    return int(any(by > GROWTH_MB_MAX for by in grown.values()))


def _round(count: int, peaks: dict[str, list[float]]) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="daybook-"))
    folder.chmod(0o711)
    postgres = EmbeddedPostgres(folder)
    try:
        postgres.start()
        url = postgres.url(user="daybook_owner", database="daybook")
        migrate(url)
        began = time.monotonic()
        end = trades(url, count)
        say(f"{count:,} trades, {end:,} events, made and projected in {time.monotonic() - began:.0f} s")
        for form in FORMATS:
            found = measured(url, form)
            peaks[form].append(found.peak_mb)
            say(
                f"  {form}: {found.size_mb:.0f} MB in {found.seconds:.1f} s ({found.cpu_s:.1f} s of processor),"
                f" peak {found.peak_mb:.0f} MB"
            )
        began = time.monotonic()
        checked = check_books(url)
        say(f"  check: {checked.violation or 'ok'} in {time.monotonic() - began:.1f} s")
        return checked.violation is None
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
