"""`daybook export` and `daybook check`: the books for outside tools, and whether they keep their rules."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Annotated, Literal
from uuid import UUID

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from application.expected import TellTheOperator
from domain.errors import InstantMustBeWellFormed, Refusal
from infrastructure.books.check import Checked, check_books
from infrastructure.books.exporting import export as exported
from infrastructure.books.scope import Wanted
from infrastructure.settings import Settings
from interfaces import operating
from interfaces.cli.progress import progress
from interfaces.roles.running import INTERRUPTED, REFUSED, outcome, with_servers

DataDir = Annotated[Path | None, Parameter(help="data folder of the running Daybook")]
DatabaseUrl = Annotated[str | None, Parameter(help="PostgreSQL, when it is not the embedded one")]


class OutputMustBeWritable(TellTheOperator):
    """The file cannot be written, or Parquet would go to a terminal."""


def export(
    *,
    format: Literal["beancount", "hledger", "csv", "parquet"],
    account: UUID | None = None,
    from_: Annotated[date | None, Parameter(name="--from")] = None,
    to: date | None = None,
    as_known_at: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Write the books for hledger, beancount, spreadsheets or data tools, with the closing balances of the read tables.

    The same days as known at the same moment are the same bytes, whatever has happened since. Exit code 0 when the
    file is whole, 2 when something was refused; --output appears only when it is whole.

    Parameters
    ----------
    format
        beancount, hledger, csv or parquet.
    account
        One customer's books only.
    from_
        First day (UTC), such as 2026-03-01; what was booked before becomes opening balances.
    to
        Last day (UTC), inclusive.
    as_known_at
        A moment such as 2026-03-31T16:00:00Z: nothing recorded later is looked at.
    output
        File to write (default: standard output).
    """

    def work() -> int:
        settings = found_settings(data_dir, database_url)
        wanted = Wanted(account_id=account, since=from_, until=to, known_at=moment(as_known_at))
        if format == "parquet" and output is None and sys.stdout.isatty():
            raise OutputMustBeWritable("Parquet is not for a terminal: give --output")
        with progress("export", "log positions") as tell, sink(output) as out:
            for part in exported(
                settings.database_url or "", format, wanted, now=clock_of(settings), tell=tell
            ):
                out.write(part)
        return 0

    return refusing(work)


check = App(name="check", help="Look whether what must always hold does.")


@check.command
def books(
    *,
    from_: Annotated[int, Parameter(name="--from", validator=Number(gte=0))] = 0,
    account: UUID | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Check every rule of the books over the log, and the tables of journal, balances and positions against it.

    Exit code 0 when all hold; 1 at the first violation, with the event, the accounts, what was expected and what was
    found; 2 when something was refused.

    Parameters
    ----------
    from_
        Begin with the event at this log position, with the journal's balances before it.
    account
        One customer's books only.
    json
        Say the result as JSON on stdout.
    """

    def work() -> int:
        url = found_settings(data_dir, database_url).database_url or ""
        with progress("books", "log positions") as tell:
            found = check_books(url, after=max(0, from_ - 1), account_id=account, tell=tell)
        print(msgspec.json.encode(found).decode() if json else _sentence(found))
        return 0 if found.violation is None else 1

    return refusing(work)


def _sentence(found: Checked) -> str:
    if found.violation is not None:
        return f"violated: {found.violation}"
    tables = (
        f"compared at {found.tables_at}"
        if found.tables_at is not None
        else "not compared: they never stood still"
    )
    return f"ok: {found.events:,} events up to log position {found.position}; tables {tables}"


def refusing(work: Callable[[], int | None]) -> int:
    """The exit code; a refusal is one line on stderr and 2."""

    def told() -> int | None:
        _end_cleanly_on_sigterm()
        try:
            return work()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED
        except BrokenPipeError:  # whoever read has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return INTERRUPTED
        except KeyboardInterrupt:
            return INTERRUPTED

    return outcome(told)


def _end_cleanly_on_sigterm() -> None:
    """As Ctrl-C does: what was begun is undone."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@contextmanager
def sink(path: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that takes its name only when it is whole."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(path)
    except OSError as error:
        raise OutputMustBeWritable(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def found_settings(data_dir: Path | None, database_url: str | None) -> Settings:
    """Settings with a database; Redis is not needed here."""
    settings = Settings.from_environment(data_dir=data_dir, database_url=database_url)
    return operating.write_down(settings) if settings.database_url is not None else with_servers(settings)


def moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InstantMustBeWellFormed(f"{text!r} is not a moment such as 2026-01-31T14:30:00Z") from None
    if moment.tzinfo is None:
        raise InstantMustBeWellFormed(f"{text!r} has no offset from UTC, such as Z or +02:00")
    return moment.astimezone(UTC)


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """What has passed for certain: on the market's own clock only what is before the log's last event."""
    if settings.clock == "market":
        return lambda: datetime.min.replace(tzinfo=UTC)
    return lambda: datetime.now(UTC)
