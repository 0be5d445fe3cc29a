"""`daybook seals`: look at them, prove that one continues another, change the key that signs."""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from infrastructure.sealing.desk import LARGEST_NUMBER, SealView
from infrastructure.sealing.keyring import next_key_file
from infrastructure.sealing.keys import create_key
from infrastructure.sealing.opening import open_seal_desk
from infrastructure.sealing.running import key_file
from infrastructure.settings import Settings
from interfaces.cli.verifying import DatabaseUrl, DataDir, Flag, refusing, settings_for, write_proof

app = App(
    name="seals", help="Look at seals, prove that one continues another, change the key that signs them."
)

Seal = Annotated[int, Parameter(validator=Number(gte=1, lte=LARGEST_NUMBER))]


@app.command(name="list")
def list_seals(
    *,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))] = 20,
    before: Seal = LARGEST_NUMBER,
    json: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Show the last seals, the newest first.

    Parameters
    ----------
    limit
        How many.
    before
        Only seals before this number.
    json
        One line of JSON for each.
    """

    def work() -> int:
        with open_seal_desk(settings_for(data_dir, database_url).database_url or "") as desk:
            for seal in desk.page(before, limit):
                print(msgspec.json.encode(seal).decode() if json else _line(seal))
        return 0

    return refusing(work)


@app.command
def show(number: Seal, *, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Show one seal with everything in it, as JSON."""

    def work() -> int:
        with open_seal_desk(settings_for(data_dir, database_url).database_url or "") as desk:
            print(msgspec.json.format(msgspec.json.encode(desk.seal(number)), indent=1).decode())
        return 0

    return refusing(work)


@app.command
def consistency(
    older: Seal,
    newer: Seal,
    *,
    out: Path | None = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Write a proof that the newer seal's log begins with the older one's, unchanged.

    Parameters
    ----------
    out
        The file to write; left out, standard output.
    """

    def work() -> int:
        with open_seal_desk(settings_for(data_dir, database_url).database_url or "") as desk:
            write_proof(desk.prove_consistency(older, newer), out)
        return 0

    return refusing(work)


@app.command(name="new-key")
def new_key(*, data_dir: DataDir = None) -> int:
    """Make a private key. The first one is used as soon as a sealer starts; a later one follows the present one.

    The sealer signs, with the present key, a seal that names the new one, and takes the new one into use.
    """

    def work() -> int:
        file = key_file(Settings.from_environment(data_dir=data_dir))
        target = next_key_file(file) if file.exists() else file
        key = create_key(target)
        print(f"{target}: the private key of {key.public.hex}")
        return 0

    return refusing(work)


def _line(seal: SealView) -> str:
    at = seal.sealed_at.isoformat(timespec="milliseconds")
    change = "  names the next key" if seal.next_key else ""
    return (
        f"{seal.number:>8}  {at}  {seal.count:>12,} events up to {seal.last_position:<12} {seal.root}{change}"
    )
