"""`daybook projections verify`, `retry` and `repair`: prove the read tables, and mend them account by account."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from cyclopts import App, Parameter

from domain.errors import Refusal
from infrastructure.projecting.folding import FoldFailed
from infrastructure.projecting.operating import require_known
from infrastructure.projecting.parking import ParkedAccount, Retried, retry
from infrastructure.projecting.repairing import Repaired, repair
from infrastructure.projecting.verifying import Verified, verify
from infrastructure.settings import Settings
from interfaces.cli.telling import parked_accounts
from interfaces.roles.running import FAULT, REFUSED, outcome, with_servers
from projections.catalogue import BY_NAME

DataDir = Annotated[Path | None, Parameter(help="data folder of the running Daybook")]
DatabaseUrl = Annotated[str | None, Parameter(help="PostgreSQL, when it is not the embedded one")]
Flag = Annotated[bool, Parameter(negative="")]

TELL_EVERY_S = 1.0


def register(app: App) -> None:
    """Add the commands to `daybook projections`."""
    for command, name in ((verify_command, "verify"), (retry_command, "retry"), (repair_command, "repair")):
        app.command(command, name=name)


def verify_command(
    *names: str,
    rows: Flag = False,
    json: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Prove that read tables consumed exactly the log, while everything goes on.

    Without NAMES all are looked at. Exit code 0 when everything is right, 1 when something is not, with the first
    difference explained, or when an account is parked, 2 for an unknown name.

    Parameters
    ----------
    rows
        Fold the log afresh as well, and compare every row.
    json
        Say everything as lines of JSON.
    """

    def work() -> int:
        projections = [BY_NAME[name] for name in require_known(names)]
        right = True
        for found in verify(_url(data_dir, database_url), projections, rows=rows, progress=_Teller()):
            right = right and found.is_complete
            print(msgspec.json.encode(found).decode() if json else sentences(found), flush=True)
        return 0 if right else FAULT

    return _refusing(work)


def retry_command(
    *names: str,
    account: Annotated[UUID | None, Parameter(help="only this account")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Fold what was left out of parked accounts, in order, after the code was mended.

    Without NAMES in all projections. Exit code 1 when one had to be parked again.
    """

    def work() -> int:
        wanted = require_known(names)
        results = retry(_url(data_dir, database_url), names=wanted, account_id=account)
        for result in results:
            print(_retried(result))
        if not results:
            print("nothing is parked")
        return FAULT if any(result.error for result in results) else 0

    return _refusing(work)


def repair_command(
    name: str,
    *,
    account: Annotated[UUID, Parameter(help="whose rows are made anew")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Make all rows of one account anew from the log, in one transaction, while everything goes on.

    Exit code 2 for an unknown projection or account.
    """

    def work() -> int:
        (known,) = require_known([name])
        print(_repaired(repair(_url(data_dir, database_url), BY_NAME[known], account)))
        return 0

    return _refusing(work)


def sentences(found: Verified) -> str:
    """What was found out about a projection."""
    wrong = [parting.sentence() for parting in found.partings] + found.holes
    if found.first_difference is not None:
        wrong.append(
            f"{found.rows_differing} rows differ from the log folded afresh; {found.first_difference}"
        )
    verdict = "WRONG" if wrong else "right"
    parked = f", {parked_accounts(found.parked)} left out" if found.parked else ""
    compared = "" if found.rows_compared is None else f", {found.rows_compared:,} rows compared"
    lines = [
        f"{found.name}: {verdict} at {found.position:,}{parked}, {found.events:,} events proved{compared},"
        f" table hash {found.table_hash}"
    ]
    if found.proved_after:
        lines.append(
            f"  not proved up to {found.proved_after:,}: folded before proofs were kept; a rebuild proves it"
        )
    return "\n".join([*lines, *(f"  {sentence}" for sentence in wrong[:1])])


def parked_sentence(one: ParkedAccount) -> str:
    """A parked account in one line."""
    tries = f", tried {one.attempts} times" if one.attempts > 1 else ""
    return (
        f"{one.name}: account {one.account_id} is parked at {one.position} ({one.topic}){tries}: {one.error}"
    )


def _retried(result: Retried) -> str:
    if result.error is None:
        return f"{result.name}: account {result.account_id} goes on, {result.events} events folded"
    how = f"{result.events} events folded, then parked again"
    return f"{result.name}: account {result.account_id}: {how}: {result.error}"


def _repaired(result: Repaired) -> str:
    verdict = "equal to those before"
    if result.differences:
        verdict = f"{result.differences} rows of before ({result.rows_before}) and after differ"
    return (
        f"{result.name}: {result.rows_after} rows of account {result.account_id} from {result.events} events"
        f" at {result.position}, {verdict}"
    )


class _Teller:
    """Progress on stderr, a line a second: over itself on a terminal."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._told = 0.0

    def __call__(self, what: str, position: int, end: int) -> None:
        now = time.monotonic()
        began = self._began.setdefault(what, now)
        if now - self._told < TELL_EVERY_S and position < end:
            return
        self._told = now
        rate = position / (now - began) if now > began else 0
        left = f", {(end - position) / rate:,.0f} s left" if rate else ""
        head, tail = ("\r\x1b[K", "\n" if position >= end else "") if sys.stderr.isatty() else ("", "\n")
        text = f"{head}{what}: {position:,} of {end:,}, {rate:,.0f} events/s{left}{tail}"
        sys.stderr.write(text)
        sys.stderr.flush()


def _refusing(work: Callable[[], int]) -> int:
    def refusing() -> int:
        try:
            return work()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED
        except FoldFailed as error:
            print(error, file=sys.stderr)
            return FAULT

    return outcome(refusing)


def _url(data_dir: Path | None, database_url: str | None) -> str:
    settings = with_servers(Settings.from_environment(data_dir=data_dir, database_url=database_url))
    assert settings.database_url is not None, "with_servers fills it in"  # noqa: S101
    return settings.database_url
