"""`daybook hold`: legal holds. While one stands, nothing of an account, or of all, is destroyed or erased."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from cyclopts import App, Parameter

from infrastructure.archiving import holds
from infrastructure.postgres.connections import connect
from infrastructure.settings import SettingIsWrong
from interfaces.cli.verifying import DatabaseUrl, DataDir, Flag, refusing, settings_for
from interfaces.http.lasting import kept_for_ever

app = App(name="hold", help="Legal holds: what is held is neither destroyed nor erased.")

Whom = Annotated[str, Parameter(help="an account's id, or all")]


@app.command
def place(
    whom: Whom, *, reason: str, by: str, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> int:
    """Place a hold over an account, or over all. Several may stand over the same one.

    Parameters
    ----------
    reason
        Why: a case, a subpoena. Recorded for ever; name no person in it.
    by
        Who you are. Recorded for ever.
    """
    return _record(holds.place, whom, reason, by, data_dir, database_url)


@app.command
def lift(
    whom: Whom, *, reason: str, by: str, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> int:
    """Lift one hold over an account, or over all.

    Parameters
    ----------
    reason
        Why. Recorded for ever; name no person in it.
    by
        Who you are. Recorded for ever.
    """
    return _record(holds.lift, whom, reason, by, data_dir, database_url)


@app.command(name="list")
def list_holds(*, json: Flag = False, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Show everything that was placed and lifted, and what stands.

    Parameters
    ----------
    json
        One line of JSON for each.
    """

    def work() -> int:
        settings = settings_for(data_dir, database_url)
        with connect(settings.database_url or "", application="daybook hold") as connection:
            found = holds.holds(connection)
        for one in found:
            print(msgspec.json.encode(one).decode() if json else _line(one))
        if not json:
            standing = holds.standing(found)
            print(
                "\n".join(f"{number} stand over {whom or 'all'}" for whom, number in standing.items())
                or "No hold stands."
            )
        return 0

    return refusing(work)


def require_words(text: str, *, name: str) -> None:
    """What is kept for ever and shown in one line. Raises SettingIsWrong or RequestMustBeWellFormed."""
    if not text.strip():
        raise SettingIsWrong("--reason and --by must say something")
    if not text.isprintable():
        raise SettingIsWrong(f"--{name} is one line, of characters that can be printed")
    if name == "reason":
        kept_for_ever(text, name="--reason")


def _record(
    act: Callable[..., holds.LegalHold], whom: str, reason: str, by: str, data_dir: Any, database_url: Any
) -> int:
    def work() -> int:
        account_id = _whom(whom)
        for name, text in (("reason", reason), ("by", by)):
            require_words(text, name=name)
        settings = settings_for(data_dir, database_url)
        with connect(settings.database_url or "", application="daybook hold") as connection:
            print(_line(act(connection, account_id, reason=reason, actor=by)))
        return 0

    return refusing(work)


def _whom(text: str) -> UUID | None:
    try:
        return None if text == "all" else UUID(text)
    except ValueError as error:
        raise SettingIsWrong(f"a hold is over an account's id, or over all, not {text!r}") from error


def _line(one: holds.LegalHold) -> str:
    return f"{one.number}  {one.act:<6}  {one.account_id or 'all'}  {one.at:%Y-%m-%d %H:%M}  by {one.actor}: {one.reason}"
