"""`daybook projections`: where the read tables stand, and rebuilding them."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.table import Table

from domain.errors import Refusal
from infrastructure.projecting import operating
from infrastructure.projecting.operating import (
    ProjectionStatus,
    rebuild_all,
    require_known,
    roll_back,
    statuses,
    under_way,
)
from infrastructure.projecting.rebuild import control
from infrastructure.projecting.rebuild.manner import NICENESS, Manner
from infrastructure.projecting.rebuilding import cut_off_by
from infrastructure.settings import Settings
from interfaces.cli import projections_care
from interfaces.cli.telling import telling, unfinished
from interfaces.roles.running import FAULT, outcome, with_servers

app = App(
    name="projections", help="See where the read tables stand, and rebuild them while everything goes on."
)

projections_care.register(app)

DataDir = Annotated[Path | None, Parameter(help="data folder of the running Daybook")]
WIDE = 1_000
"""Columns: more than a failure is long."""

DatabaseUrl = Annotated[str | None, Parameter(help="PostgreSQL, when it is not the embedded one")]


@app.command
def status(
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Show position, lag, failures and parked accounts of every projection.

    Exit code 1 when there is a failure or a parked account. Where stdout is no terminal, no column is cut.

    Parameters
    ----------
    json
        A line of JSON for each projection.
    """

    def work() -> int:
        found = statuses(_url(data_dir, database_url))
        if json:
            for one in found:
                print(msgspec.json.encode(one).decode())
        else:
            _show(found)
        return 1 if any(one.failure or one.parked for one in found) else 0

    return outcome(work)


@app.command
def rebuild(
    *names: str,
    parallel: Annotated[int, Parameter(validator=Number(gte=1, lte=16))] = 1,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    gentle: bool = True,
    json: Annotated[bool, Parameter(negative="")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Build tables anew beside the live ones, compare them row by row, and swap them.

    Without NAMES all are rebuilt, from one read of the log. Commands and queries go on. Exit code 0 when every
    compared table was equal, 1 when one differed (the rebuilt one, which follows from the log, is live now)
    or could not be folded (the old one still is), 2 for an unknown name.

    Parameters
    ----------
    parallel
        Processes that fold, each its share of the accounts.
    fresh
        Begin anew, instead of going on with a rebuild that was cut off.
    gentle
        While customers are at work, fold in small portions and rest in between; with --no-gentle it does not care.
    json
        Say everything as lines of JSON on stdout.
    """

    def work() -> int:
        os.nice(NICENESS)
        wanted, url = require_known(names), _url(data_dir, database_url)
        with telling(wanted, as_json=json) as teller:
            results = rebuild_all(
                url,
                wanted,
                parallel=parallel,
                fresh=fresh,
                manner=Manner(is_gentle=gentle),
                progress=teller.report,
            )
        for result in results:
            teller.result(result)
        return 1 if any(result.differences or result.failure for result in results) else 0

    return _outcome(lambda: _to_be_gone_on_with(work, names))


def _to_be_gone_on_with(work: Callable[[], int], names: Sequence[str]) -> int:
    """A rebuild that was cut off ends with a sentence: nothing of it is lost."""
    try:
        return work()
    except Exception as error:
        why = cut_off_by(error)
        if why is None:
            raise
        again = " ".join(["daybook projections rebuild", *names])
        print(f"daybook: {why}; `{again}` goes on where it was", file=sys.stderr)
        return FAULT


@app.command
def rebuilds(*, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Show the rebuilds that have begun and not ended."""

    def work() -> None:
        for one in under_way(_url(data_dir, database_url)):
            print(unfinished(one))

    return _outcome(work)


@app.command
def pause(*names: str, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Let running rebuilds stop after the chunk at hand; all of them without NAMES."""

    def work() -> None:
        for name in control.pause(_url(data_dir, database_url), names):
            print(f"{name}: paused")

    return _outcome(work)


@app.command
def resume(*names: str, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Let paused rebuilds go on; all of them without NAMES."""

    def work() -> None:
        url = _url(data_dir, database_url)
        changed = control.resume(url, names)
        for one in under_way(url):
            if one.projection in changed:
                print(unfinished(one))

    return _outcome(work)


@app.command
def rollback(name: str, *, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Let the table from before the last rebuild go live again, in one step."""

    def work() -> None:
        found = roll_back(_url(data_dir, database_url), name)
        print(f"{name}: the table before is live again, version {found.version} at position {found.position}")

    return _outcome(work)


@app.command
def forget(name: str, *, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Drop the table from before the last rebuild."""

    def work() -> None:
        operating.forget(_url(data_dir, database_url), name)
        print(f"{name}: the table before is gone")

    return _outcome(work)


def _outcome(work: Callable[[], int | None]) -> int:
    """The exit code: 2, with its sentence, for a refusal."""

    def refusing() -> int | None:
        try:
            return work()
        except Refusal as refusal:
            print(refusal.detail, file=sys.stderr)
            return 2

    return outcome(refusing)


def _show(found: list[ProjectionStatus]) -> None:
    table = _table(found)
    if sys.stdout.isatty():
        Console().print(table)
    else:
        table.box = None
        Console(width=WIDE).print(table, no_wrap=True, overflow="ignore", crop=False)
    for parked in (parked for one in found for parked in one.parked):
        print(projections_care.parked_sentence(parked))


def _table(found: list[ProjectionStatus]) -> Table:
    table = Table("projection", "version", "partitions", "position", "lag", "updated", "parked", "failure")
    for one in found:
        updated = one.updated_at.isoformat(timespec="seconds") if one.updated_at else "never"
        numbers = [str(one.version), str(one.partitions), str(one.position), str(one.lag)]
        table.add_row(one.name, *numbers, updated, str(len(one.parked) or ""), one.failure or "")
    return table


def _url(data_dir: Path | None, database_url: str | None) -> str:
    settings = with_servers(Settings.from_environment(data_dir=data_dir, database_url=database_url))
    assert settings.database_url is not None, "with_servers fills it in"  # noqa: S101
    return settings.database_url
