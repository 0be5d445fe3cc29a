"""The one table that a run prints."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.bench.plan import Row

_COLUMNS = ("path", "unit", "ours", "ceiling", "ratio", "target", "met", "p50 ms", "p95 ms", "p99 ms")
CPU = ("client", "server", "postgres")


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table and the notes below it."""
    table = Table(title="Daybook: ours beside the ceiling of the same run")
    for name in (*_COLUMNS, "CPU % client · server · PostgreSQL"):
        table.add_column(name, justify="left" if name in ("path", "unit", "target") else "right")
    for row in rows:
        table.add_row(*cells(row), style=None if row.met else "yellow")
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"[bold]{row.path}[/bold]: {row.note}", highlight=False)


def cells(row: Row) -> list[str]:
    """A row as text."""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    times = [_number(each) for each in (row.p50_ms, row.p95_ms, row.p99_ms)]
    met = "yes" if row.met else "NO"
    return [
        row.path,
        row.unit,
        _number(row.ours),
        _number(row.ceiling),
        ratio,
        row.target,
        met,
        *times,
        cpu(row),
    ]


def cpu(row: Row) -> str:
    """The processor time of the three, then of any others by name."""
    if not row.cpu:
        return ""
    three = " · ".join(f"{row.cpu[name]:.0f}" if name in row.cpu else "-" for name in CPU)
    others = ", ".join(f"{name} {percent:.0f}" for name, percent in row.cpu.items() if name not in CPU)
    return f"{three} ({others})" if others else three


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
