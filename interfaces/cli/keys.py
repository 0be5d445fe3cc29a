"""`daybook keys`: the master key that wraps every person's key, and its rotation."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from infrastructure.privacy import rotating
from infrastructure.privacy.master import MasterKeys
from infrastructure.privacy.rotating import Wrapping
from infrastructure.settings import Settings
from infrastructure.wiring.urls import urls_of
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.roles.running import FAULT, outcome, with_servers

app = App(name="keys", help="The master key that wraps every person's key.")

_HERE = GeneralFlags()
Flag = Annotated[bool, Parameter(negative="")]


@app.command
def create(file: Path) -> int:
    """Write a new master key into FILE, readable by you only. Refused when the file is there already."""

    def work() -> None:
        print(f"Master key {rotating.create(file)} is in {file}. Whoever loses it loses all personal data.")

    return outcome(work)


@app.command
def status(*, json: Flag = False, general: GeneralFlags = _HERE) -> int:
    """Show how many keys each master key wraps. Exit code 1 when one of them is not known here.

    Parameters
    ----------
    json
        Say it as lines of JSON.
    """

    def work() -> int:
        settings = _settings(general)
        found = rotating.wrappings(urls_of(settings)[0], MasterKeys.of(settings))
        if json:
            for one in found:
                print(msgspec.json.encode(one).decode())
        else:
            Console().print(_table(found))
        return FAULT if any(one.keys and not one.is_given for one in found) else 0

    return outcome(work)


@app.command
def rotate(*, new_key: Flag = False, drop_old: Flag = False, general: GeneralFlags = _HERE) -> int:
    """Wrap every person's key by the current master key, while everything goes on. Cut off, it goes on when called again.

    The current master key is the first one in DAYBOOK_MASTER_KEY_FILE; the ones after it can only unwrap.

    Parameters
    ----------
    new_key
        First make a new master key and put it before the others in the file.
    drop_old
        At the end take the old master keys out of the file. Backups made before can then not be read with it.
    """

    def work() -> None:
        settings = _settings(general)
        url, masters = urls_of(settings)[0], MasterKeys.of(settings)
        if new_key:
            print(f"Master key {rotating.begin_with_new_key(url, masters)} is the current one now.")
        count = rotating.rotate(url, masters, _tell)
        print(f"{count} keys were wrapped anew; all are wrapped by master key {masters.current().id}.")
        old = masters.ids()[1:]
        if drop_old and old:
            print(
                f"Master key {' and '.join(rotating.drop_old(url, masters))} was taken out of {masters.file}."
            )
        elif old:
            print(f"Master key {' and '.join(old)} wraps nothing here any more; backups made before need it.")

    return outcome(work)


def _tell(done: int, total: int) -> None:
    print(f"{done} of {total} keys", file=sys.stderr, flush=True)


def _table(found: list[Wrapping]) -> Table:
    table = Table("master key", "is", "users", "visitors", "index")
    for one in found:
        known = "given" if one.is_given else "missing"
        standing = "current" if one.is_current else known
        table.add_row(one.master_key_id, standing, str(one.users), str(one.visitors), str(one.index))
    return table


def _settings(general: GeneralFlags) -> Settings:
    return with_servers(settings_from(general))
