"""`daybook projections`: where the read tables stand, and rebuilding them."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from domain.errors import Refusal
from infrastructure.projecting.operating import ProjectionStatus, rebuild_all, require_known, statuses
from infrastructure.projecting.rebuilding import Rebuilt
from infrastructure.settings import Settings
from interfaces.roles.running import outcome, with_servers

app = App(
    name="projections", help="See where the read tables stand, and rebuild them while everything goes on."
)

DataDir = Annotated[Path | None, Parameter(help="data folder of the running Daybook")]
DatabaseUrl = Annotated[str | None, Parameter(help="PostgreSQL, when it is not the embedded one")]


@app.command
def status(*, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Show position, lag and failures of every projection."""

    def work() -> int:
        found = statuses(_url(data_dir, database_url))
        Console().print(_table(found))
        return 1 if any(one.failure for one in found) else 0

    return outcome(work)


@app.command
def rebuild(*names: str, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Build tables anew beside the live ones, compare them row by row, and swap them.

    Without NAMES all are rebuilt. Exit code 0 when every compared table was equal, 1 when one
    differed (the rebuilt one, which follows from the log, is live now), 2 for an unknown name.
    """
    try:
        wanted = require_known(names)
    except Refusal as refusal:
        print(refusal.detail, file=sys.stderr)
        return 2

    def work() -> int:
        results = _rebuild(_url(data_dir, database_url), wanted)
        for result in results:
            print(_sentence(result))
        return 1 if any(result.differences for result in results) else 0

    return outcome(work)


def _rebuild(url: str, names: list[str]) -> list[Rebuilt]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        tasks = {name: bar.add_task(name, total=None) for name in names}

        def progress(name: str, position: int, end: int) -> None:
            bar.update(tasks[name], completed=position, total=end)

        return rebuild_all(url, names, progress=progress)


def _sentence(result: Rebuilt) -> str:
    verdict = "not compared (another version)"
    if result.compared:
        verdict = f"{result.differences} rows differed" if result.differences else "equal to the table before"
    return (
        f"{result.projection}: {result.rows} rows from {result.events} events"
        f" in {result.seconds:.2f} s, {verdict}"
    )


def _table(found: list[ProjectionStatus]) -> Table:
    table = Table("projection", "version", "position", "lag", "updated", "failure")
    for one in found:
        updated = one.updated_at.isoformat(timespec="seconds") if one.updated_at else "never"
        table.add_row(one.name, str(one.version), str(one.position), str(one.lag), updated, one.failure or "")
    return table


def _url(data_dir: Path | None, database_url: str | None) -> str:
    settings = with_servers(Settings.from_environment(data_dir=data_dir, database_url=database_url))
    assert settings.database_url is not None, "with_servers fills it in"  # noqa: S101
    return settings.database_url
