"""How a rebuild is told: a bar for each projection on a terminal, plain lines in a log, JSON for programs."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from infrastructure.projecting.rebuild.control import UnderWay
from infrastructure.projecting.rebuild.reports import Rebuilt, Report

LINE_EVERY_S = 5.0
COUNT_EVERY_S = 1.0


class Teller:
    """Tells in plain lines on stderr: each change of phase, and now and then how far it is."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, float]] = {}

    def report(self, report: Report) -> None:
        """How far it is."""
        phase, at = self._told.get(report.projection, ("", 0.0))
        now = time.monotonic()
        if phase != report.phase or now - at >= LINE_EVERY_S:
            self._told[report.projection] = (report.phase, now)
            print(f"{report.projection}: {how_far(report)}", file=sys.stderr, flush=True)

    def result(self, result: Rebuilt) -> None:
        """What was done."""
        print(sentence(result))


class BarTeller(Teller):
    """Tells by bars."""

    def __init__(self, bars: Progress, names: Sequence[str]) -> None:
        super().__init__()
        self._bars = bars
        self._tasks: dict[str, TaskID] = {name: bars.add_task(name, total=None, said="") for name in names}

    def report(self, report: Report) -> None:
        """How far it is."""
        total = report.end or None
        self._bars.update(
            self._tasks[report.projection], completed=report.position, total=total, said=how_far(report)
        )


class JsonTeller(Teller):
    """Tells programs: {"report": …} and {"result": …}, one a line, on stdout."""

    def report(self, report: Report) -> None:
        """How far it is."""
        self._say({"report": report})

    def result(self, result: Rebuilt) -> None:
        """What was done."""
        self._say({"result": result})

    def _say(self, line: object) -> None:
        print(msgspec.json.encode(line).decode(), flush=True)


class Counter:
    """Progress in events on stderr, a line a second: over itself on a terminal."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def __call__(self, what: str, count: int, end: int) -> None:
        now = time.monotonic()
        if now - self._told < COUNT_EVERY_S and count < end:
            return
        self._told = now
        pace = _pace(count, end, now - self._began)
        head, tail = ("\r\x1b[K", "\n" if count >= end else "") if sys.stderr.isatty() else ("", "\n")
        sys.stderr.write(f"{head}{what}: {count:,} of {end:,}{pace}{tail}")
        sys.stderr.flush()


def _pace(count: int, end: int, seconds: float) -> str:
    """A rate once something is counted, and what is left once the rate is that of a second or more."""
    if not count or seconds <= 0:
        return ""
    rate = count / seconds
    left = f", {(end - count) / rate:,.0f} s left" if count < end and seconds >= COUNT_EVERY_S else ""
    return f", {rate:,.0f}/s{left}"


@contextmanager
def telling(names: Sequence[str], *, as_json: bool) -> Iterator[Teller]:
    """The teller that fits where the output goes."""
    with log_on_stderr():
        if as_json:
            yield JsonTeller()
        elif not sys.stderr.isatty():
            yield Teller()
        else:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
            with Progress(*columns, console=Console(stderr=True)) as bars:
                yield BarTeller(bars, names)


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """stdout is for results alone."""
    before = structlog.get_config()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)


def how_far(report: Report) -> str:
    """Such as `folding, 240,000 of 1,000,031 (24 %), 17,849 events/s, 43 s left`."""
    share = 100 * report.position // report.end if report.end else 100
    parts = [report.phase, f"{report.position:,} of {report.end:,} ({share} %)"]
    if report.phase == "folding" and report.rate is not None:
        parts.append(f"{report.rate:,.0f} events/s")
    if report.eta_s is not None:
        parts.append(f"{report.eta_s:,.0f} s left")
    return ", ".join(parts)


def sentence(result: Rebuilt) -> str:
    """What a rebuild did, in one line."""
    if result.failure is not None:
        return f"{result.projection}: failed, the table that was live still is: {result.failure}"
    verdict = "not compared (nothing to compare with)"
    if result.compared:
        verdict = f"{result.differences} rows differed" if result.differences else "equal to the table before"
    if result.left_out:
        verdict += f", {parked_accounts(result.left_out)} left out"
    shown = f" ({'; '.join(result.examples)})" if result.examples else ""
    return (
        f"{result.projection}: {result.rows} rows from {result.events} events"
        f" in {result.seconds:.2f} s, {verdict}{shown}"
    )


def parked_accounts(number: int) -> str:
    """Such as `1 account is parked and was`: what was done with them follows."""
    return "1 account is parked and was" if number == 1 else f"{number:,} accounts are parked and were"


def unfinished(one: UnderWay) -> str:
    """A rebuild that has begun and not ended, in one line."""
    how = f"{one.projection}: {one.state} at {one.position:,} of {one.end:,}, version {one.version}"
    if not one.is_worked_on:
        how += f"; no process works on it, `daybook projections rebuild {one.projection}` goes on"
    return how if one.error is None else f"{how}; {one.error}"
