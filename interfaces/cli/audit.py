"""`daybook audit`: who did what, who looked at whom, and what was refused; as a table, a file, or a day's report."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from domain.values import symbol as checked_symbol
from infrastructure.auditing.desk import AuditDesk
from infrastructure.auditing.opening import audit_desk
from infrastructure.auditing.searching import AuditEntry, Sought
from interfaces.cli.books import (
    DatabaseUrl,
    DataDir,
    OutputMustBeWritable,
    found_settings,
    refusing,
    sink,
)
from interfaces.cli.progress import progress
from interfaces.http.audit import actor_of, after_cursor, place_of, span_of
from interfaces.http.pages import page

app = App(name="audit", help="Who did what, who looked at whom, and what was refused.")

Kind = Literal["event", "refused", "log_in", "log_in_refused", "log_out", "look_up", "export", "act"]
Flag = Annotated[bool, Parameter(negative="")]
_FILTERS = Group("What is looked for", sort_key=1)


@Parameter(name="*", group=_FILTERS)
@dataclass(frozen=True, kw_only=True)
class Filters:
    """Each leaves out what is not like it."""

    account: UUID | None = None
    "Of or about this account, also where it was only looked at."
    actor: str | None = None
    "A user's id, a role's name, `operator` or `visitor`."
    order: UUID | None = None
    "An order's id."
    symbol: str | None = None
    "Such as AAPL."
    type: str | None = None
    "Such as Order.Placed, PlaceOrder, 'GET /api/v1/compliance/people/{user_id}' or 'daybook replay'."
    kind: Kind | None = None
    "An event, or what of the rest."
    code: str | None = None
    "A refusal's code."
    refused: Flag = False
    "Only what was refused, rejected orders included."
    text: str | None = None
    "Found within the words."
    from_: Annotated[str | None, Parameter(name="--from")] = None
    "A day (UTC) such as 2026-03-01, or a moment with its offset."
    to: str | None = None
    "A day, inclusive, or a moment, exclusive."

    def sought(self) -> Sought:
        """As the search takes it. Raises InstantMustBeWellFormed, SymbolMustBeWellFormed, RequestMustBeWellFormed."""
        begin, end = span_of(self.from_, self.to)
        return Sought(
            account_id=self.account,
            actor=actor_of(self.actor),
            order_id=self.order,
            symbol=None if self.symbol is None else checked_symbol(self.symbol),
            type=self.type,
            kind=self.kind,
            code=self.code,
            is_refused=self.refused,
            text=self.text,
            since=begin,
            until=end,
        )


_ALL = Filters()


@app.command
def search(
    *,
    filters: Filters = _ALL,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 50,
    cursor: str | None = None,
    json: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Show events and deeds, newest first. That somebody looked is written down as well.

    Parameters
    ----------
    limit
        At most so many, then the cursor of what follows.
    cursor
        Begin where the page before ended.
    json
        Say it as one JSON object with items and next_cursor.
    """

    def work(desk: AuditDesk) -> None:
        found = desk.search(filters.sought(), limit=limit + 1, before=after_cursor(cursor))
        shown = page(found, limit=limit, kind="audit", position=place_of)
        if json:
            print(msgspec.json.encode(shown).decode())
            return
        print("\n".join(_table(shown.items)))
        if shown.next_cursor is not None:
            print(f"There is more: --cursor {shown.next_cursor}", file=sys.stderr)

    return _at_the_desk(work, data_dir, database_url)


@app.command
def export(
    *,
    format: Literal["csv", "jsonl", "parquet"],
    filters: Filters = _ALL,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Write all that a search finds into a file, newest first. Memory stays the same, however much it is.

    Exit code 0 when the file is whole, 2 when something was refused; --output appears only when it is whole.

    Parameters
    ----------
    format
        csv, jsonl (JSON lines) or parquet.
    output
        File to write (default: standard output).
    """

    def work(desk: AuditDesk) -> None:
        if format == "parquet" and output is None and sys.stdout.isatty():
            raise OutputMustBeWritable("Parquet is not for a terminal: give --output")
        with progress("audit", "log positions") as tell:
            _write(desk.export(format, filters.sought(), tell=tell), output)

    return _at_the_desk(work, data_dir, database_url)


@app.command
def cat(
    *,
    day: Annotated[date, Parameter(name="--date")],
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Write a day's order events by the names and fields of the Consolidated Audit Trail 4.1.0, as lines of JSON.

    Parameters
    ----------
    day
        A day in New York, such as 2026-03-31.
    output
        File to write (default: standard output).
    """

    def work(desk: AuditDesk) -> None:
        with progress("cat", "log positions") as tell:
            _write(desk.cat(day, tell=tell), output)

    return _at_the_desk(work, data_dir, database_url)


def _write(parts: Iterable[bytes], output: Path | None) -> None:
    with sink(output) as out:
        for part in parts:
            out.write(part)


def _at_the_desk(work: Callable[[AuditDesk], None], data_dir: DataDir, database_url: DatabaseUrl) -> int:
    def ask() -> int:
        settings = found_settings(data_dir, database_url)
        with audit_desk(settings, settings.database_url or "") as desk:
            work(desk)
        return 0

    return refusing(ask)


def _table(entries: list[AuditEntry]) -> Iterator[str]:
    yield f"{'at':<27} {'place':>12}  {'kind':<14} {'who':<47} {'from':<15} what"
    for entry in entries:
        place = f"{entry.log_position}.{entry.number}" if entry.number else f"{entry.log_position}"
        who = f"{entry.role} {entry.actor}"
        code = f" [{entry.code}]" if entry.code else ""
        yield (
            f"{entry.at:%Y-%m-%dT%H:%M:%S.%fZ} {place:>12}  {entry.kind:<14} {who:<47} {entry.address or '-':<15}"
            f" {entry.topic}: {entry.text}{code}"
        )
    if not entries:
        yield "Nothing was found."
