"""`daybook archive`: closed months of the log move to files, are shown, verified, and destroyed after their years."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from cyclopts import App
from msgspec import Struct

from domain.errors import InstantMustBeWellFormed
from infrastructure.archiving.checking import check_files
from infrastructure.archiving.disposing import Disposal, years_before
from infrastructure.archiving.months import ArchivedMonth, all_months
from infrastructure.archiving.moving import Archiver, ClosedMonth
from infrastructure.postgres.connections import connect
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.running import public_keys_of, seal_file
from infrastructure.settings import SettingIsWrong, Settings
from interfaces.cli.hold import require_words
from interfaces.cli.telling import Counter
from interfaces.cli.verifying import DatabaseUrl, DataDir, Flag, refusing, settings_for
from interfaces.roles.running import FAULT

app = App(
    name="archive", help="Move closed months of the log to files; look at them, verify them, destroy them."
)


class ArchivedView(Struct, frozen=True, kw_only=True):
    """An archive as it is shown. `state` is `there`, `missing` or `disposed`; hashes are hex."""

    number: int
    month: str
    first_position: int
    last_position: int
    events: int
    file: str
    seals_file: str
    file_hash: str
    tree_hash: str
    archived_at: datetime
    may_be_destroyed_after: date
    state: str


@app.command
def run(
    *,
    before: str,
    to: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Move closed months to files, each verified before and after. What is asked of the log is answered as before.

    Interrupt or kill it whenever you like, and run it again: nothing is lost and nothing is there twice.

    Parameters
    ----------
    before
        The first month that stays, such as 2026-01.
    to
        The folder to write to; every process of Daybook must be able to read it under this name. Left out,
        DAYBOOK_ARCHIVE_FOLDER, else archive in the data folder.
    dry_run
        Say what would be moved, and move nothing.
    json
        One line of JSON for each month.
    """

    def work() -> int:
        settings, month = settings_for(data_dir, database_url), _month(before)
        archiver = _archiver(settings, to)
        if dry_run:
            for closed in archiver.closed(month):
                print(msgspec.json.encode(closed).decode() if json else f"would move {_closed_line(closed)}")
            return 0
        months = 0
        for moved in archiver.run(month):
            months += 1
            shown = _view(moved, settings)
            print(msgspec.json.encode(shown).decode() if json else f"moved {_line(shown)}", flush=True)
        if not months and not json:
            print(f"No closed month before {before} is in the log's table: nothing was moved.")
        return 0

    return refusing(work)


@app.command
def status(*, json: Flag = False, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Show every archive, the oldest first.

    Parameters
    ----------
    json
        One line of JSON for each.
    """

    def work() -> int:
        settings = settings_for(data_dir, database_url)
        with connect(settings.database_url or "", application="daybook archive") as connection:
            months = all_months(connection)
        for shown in (_view(one, settings) for one in months):
            print(msgspec.json.encode(shown).decode() if json else _line(shown))
        if not months and not json:
            print("Nothing is archived: the whole log is in its table.")
        return 0

    return refusing(work)


@app.command
def verify(*, json: Flag = False, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Hash every file, and every event in it. `daybook verify` holds them against the seals as well.

    Exit code 0 when all are as they were written, 1 when one is not.

    Parameters
    ----------
    json
        One line of JSON for each file.
    """

    def work() -> int:
        settings, wrong, files = settings_for(data_dir, database_url), 0, 0
        with connect(settings.database_url or "", application="daybook archive") as connection:
            for one in check_files(connection, Counter()):
                files, wrong = files + 1, wrong + (one.wrong is not None)
                said = (
                    f"WRONG: {one.wrong}"
                    if one.wrong
                    else f"right: {one.month}, {one.events:,} events, {one.file}"
                )
                print(msgspec.json.encode(one).decode() if json else said, flush=True)
        if not files and not json:
            print("There is no archive to verify.")
        return FAULT if wrong else 0

    return refusing(work)


@app.command
def dispose(
    *,
    older_than_policy: Flag = False,
    reason: str = "",
    by: str = "",
    dry_run: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Destroy the files whose years are over. It cannot be undone: what needs these events is refused ever after.

    A month is due when its last event, and the closing of every account in it, are older than DAYBOOK_RETENTION_YEARS,
    and it has no facts of the firm itself; a legal hold over one of the accounts, or over all, stops it.

    Parameters
    ----------
    older_than_policy
        Must be given: no other ones are destroyed.
    reason
        Why. It is recorded.
    by
        Who you are. It is recorded.
    dry_run
        Say what would be destroyed, and destroy nothing.
    """

    def work() -> int:
        if not older_than_policy:
            raise SettingIsWrong("only what is older than the policy is destroyed: give --older-than-policy")
        settings = _of_this_world(settings_for(data_dir, database_url))
        disposal = Disposal(_owner(settings), years=settings.retention_years)
        if dry_run:
            due = [_line(_view(month, settings)) for month in disposal.due()]
            print("\n".join(f"would destroy {line}" for line in due) or _nothing_due(settings))
            return 0
        if not reason.strip() or not by.strip():
            raise SettingIsWrong("who destroys records says why and who they are: give --reason and --by")
        for name, text in (("reason", reason), ("by", by)):
            require_words(text, name=name)
        months = 0
        for gone in disposal.run(reason=reason, actor=by):
            months += 1
            print(f"destroyed {gone.month:%Y-%m}: {gone.events:,} events, {gone.path}", flush=True)
        if not months:
            print(_nothing_due(settings))
        return 0

    return refusing(work)


def _of_this_world(settings: Settings) -> Settings:
    if settings.clock == "market":
        raise SettingIsWrong(
            "nothing is destroyed on the market's clock: the years of a replay pass in minutes"
        )
    return settings


def _nothing_due(settings: Settings) -> str:
    return f"No archive may be destroyed yet, after {settings.retention_years} years: nothing was destroyed."


def _archiver(settings: Settings, to: Path | None) -> Archiver:
    seals = seal_file(settings)
    return Archiver(
        _owner(settings),
        folder=to or settings.archive_folder or settings.data_dir / "archive",
        seals=seals,
        trusted=read_public_keys(public_keys_of(seals)),
        tell=_telling(Counter()),
    )


def _telling(counter: Counter) -> Callable[[str, int, int], None]:
    """What is counted is shown; the steps in between are not."""

    def tell(what: str, at: int, end: int) -> None:
        if what not in ("checked", "named", "noted", "moved"):
            counter(what, at, end)
            if at >= end:
                sys.stderr.flush()

    return tell


def _owner(settings: Settings) -> str:
    return settings.owner_database_url or settings.database_url or ""


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise InstantMustBeWellFormed(f"a month is written as 2026-01, not {text!r}") from error


def _view(one: ArchivedMonth, settings: Settings) -> ArchivedView:
    ends = one.last_recorded_at
    there = "there" if one.path.exists() and one.seals_path.exists() else "missing"
    return ArchivedView(
        number=one.number,
        month=f"{one.month:%Y-%m}",
        first_position=one.first_position,
        last_position=one.last_position,
        events=one.events,
        file=str(one.path),
        seals_file=str(one.seals_path),
        file_hash=one.file_hash.hex(),
        tree_hash=one.tree_hash.hex(),
        archived_at=one.archived_at,
        may_be_destroyed_after=years_before(ends, -settings.retention_years).date(),
        state="disposed" if one.disposed_at else there,
    )


def _line(one: ArchivedView) -> str:
    return (
        f"{one.month}: {one.events:,} events, log positions {one.first_position} to {one.last_position},"
        f" {one.state}, kept until {one.may_be_destroyed_after} at least, {one.file}"
    )


def _closed_line(one: ClosedMonth) -> str:
    return (
        f"{one.month:%Y-%m}: {one.events:,} events, log positions {one.first_position} to {one.last_position}"
    )
