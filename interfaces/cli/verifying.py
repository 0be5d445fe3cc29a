"""`daybook verify`, `prove` and `verify-proof`: nobody has touched the log, and here is the proof."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from application.expected import TellTheOperator
from domain.errors import Refusal
from infrastructure.sealing.examining import Examination
from infrastructure.sealing.files import published_lines
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.opening import open_seal_desk
from infrastructure.sealing.proofs import (
    LARGEST_PROOF,
    Checked,
    Proof,
    ProofCannotBeRead,
    ProofIsWrong,
    check,
    encode_proof,
)
from infrastructure.sealing.reading import BEFORE_ALL
from infrastructure.sealing.running import bucket_at, public_keys_of, seal_file
from infrastructure.sealing.seals import SealBucketMustAnswer
from infrastructure.sealing.verifying import Verified
from infrastructure.settings import SettingIsWrong, Settings
from interfaces import operating
from interfaces.cli.telling import Counter
from interfaces.roles.running import FAULT, REFUSED, outcome, with_servers

DataDir = Annotated[Path | None, Parameter(help="data folder of the running Daybook")]
DatabaseUrl = Annotated[str | None, Parameter(help="PostgreSQL, when it is not the embedded one")]
Flag = Annotated[bool, Parameter(negative="")]
Position = Annotated[int | None, Parameter(validator=Number(gte=1, lte=2**62))]
KeyFile = Annotated[Path | None, Parameter(help="the public keys that are trusted")]


class NothingToExamine(TellTheOperator):
    """No event is in what was to be examined, so that nothing can be said to be right."""


def verify(
    *,
    from_: Annotated[Position, Parameter(name="--from")] = None,
    to: Position = None,
    seals: str | None = None,
    key: KeyFile = None,
    parallel: Annotated[int, Parameter(validator=Number(gte=1, lte=16))] = 1,
    json: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Recompute every seal from the log, and name the first event that differs. Locks nothing.

    Exit code 0 when everything is right, 1 when something differs, 2 when it cannot be examined.

    Parameters
    ----------
    from_
        Begin with the events of the seal that has this log position. The seals themselves are all checked.
    to
        End with those of the seal that has this log position.
    seals
        Published seals to believe: a copy of the file, or a bucket as https://host/bucket/folder. Left out, the file that the
        sealer writes.
    key
        Public keys to trust; left out, those beside the file.
    parallel
        Processes that hash events.
    json
        Say it as one line of JSON.
    """

    def work() -> int:
        if from_ is not None and to is not None and from_ > to:
            raise NothingToExamine(f"--from {from_} is after --to {to}: nothing was examined")
        settings = settings_for(data_dir, database_url)
        own = seal_file(settings)
        keys = key or public_keys_of(own if seals is None or _is_address(seals) else Path(seals))
        examination = Examination(
            trusted=read_public_keys(keys),
            is_own_file=seals is None,
            from_position=BEFORE_ALL if from_ is None else from_,
            to_position=to,
            parallel=parallel,
            tell=Counter(),
        )
        where = own if seals is None else seals
        found = examination.run(settings.database_url or "", _lines(where))
        _require_something(found, where, from_)
        print(msgspec.json.encode(found).decode() if json else sentences(found))
        return 0 if found.is_right else FAULT

    return refusing(work)


def prove(
    event: str,
    *,
    seal: Annotated[int | None, Parameter(validator=Number(gte=1, lte=2**62))] = None,
    out: Path | None = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Write a proof that an event is in the sealed log. Whoever has it can check it without us.

    Exit code 1 when the event is not the one that was sealed, 2 when there is no such event or seal.

    Parameters
    ----------
    event
        A log position, or a stream's id and a version as ID@VERSION.
    seal
        The seal to prove it by; left out, the first that has the event.
    out
        The file to write; left out, standard output.
    """

    def work() -> int:
        with open_seal_desk(settings_for(data_dir, database_url).database_url or "") as desk:
            stream, _, version = event.partition("@")
            try:
                position = int(stream) if not version else desk.position_of(UUID(stream), int(version))
            except ValueError as error:
                raise SettingIsWrong(f"an event is a log position or ID@VERSION, not {event!r}") from error
            write_proof(desk.prove(position, number=seal), out)
        return 0

    return refusing(work)


def verify_proof(file: Path, *, key: KeyFile = None, json: Flag = False) -> int:
    """Check a proof, without database, network or settings.

    Exit code 0 when it holds, 1 when it does not, 2 when the file is no proof.

    Parameters
    ----------
    file
        What `daybook prove` or `daybook seals consistency` wrote.
    key
        Public keys to trust. Left out, the proof is held against the key that it names itself: compare that with the
        published one.
    json
        Say it as one line of JSON.
    """

    def work() -> int:
        checked = check(_proof_text(file), None if key is None else read_public_keys(key))
        print(msgspec.json.encode(checked).decode() if json else _checked_sentences(checked))
        return 0

    return refusing(work)


def sentences(found: Verified) -> str:
    """What was found out, in lines."""
    if found.is_right:
        verdict = "right"
        if found.seals < found.seals_kept:
            verdict = f"right, but only as far as these seals go, {found.seals:,} of {found.seals_kept:,}"
        root = f", root {found.root}" if found.root else ""
        head = (
            f"{verdict}: {found.seals:,} seals of {found.count:,} events up to log position {found.log_position}{root};"
            f" {found.events_read:,} events read in {found.seconds:.1f} s"
        )
    else:
        head = f"WRONG: {found.findings[0].sentence}"
    rest = [finding.sentence for finding in found.findings[1:]] + found.notes
    return "\n".join([head, *(f"  {sentence}" for sentence in rest)])


def _require_something(found: Verified, where: str | Path, begin: int | None) -> None:
    if found.findings or found.events_read:
        return
    if not found.seals:
        raise NothingToExamine(f"there are no seals in {where}: nothing was examined")
    after = "" if begin is None else f" from {begin} on"
    raise NothingToExamine(
        f"the seals in {where} end at log position {found.log_position} and have no event{after}: nothing was examined"
    )


def write_proof(proof: Proof, out: Path | None) -> None:
    """To a file or to standard output. Raises SettingIsWrong for a file that cannot be written."""
    text = encode_proof(proof)
    if out is None:
        sys.stdout.write(text.decode())
        return
    try:
        out.write_bytes(text)
    except OSError as error:
        raise SettingIsWrong(f"{out} cannot be written: {error.strerror}") from error


def refusing(work: Callable[[], int]) -> int:
    """The exit code of work that may be refused or may find something wrong."""

    def told() -> int:
        try:
            return work()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED
        except SealBucketMustAnswer as error:
            print(f"daybook: {error}", file=sys.stderr)
            return REFUSED
        except ProofIsWrong as error:
            print(f"WRONG: {error}")
            return FAULT

    return outcome(told)


def _checked_sentences(checked: Checked) -> str:
    lines = [f"right: {checked.sentence}"]
    if checked.event is not None:
        lines.append(msgspec.json.format(msgspec.json.encode(checked.event), indent=2).decode())
    trusted = (
        "a trusted key" if checked.keys_are_trusted else "compare it with the published one, or give --key"
    )
    return "\n".join([*lines, *(f"signed by key {key} ({trusted})" for key in checked.keys)])


def _proof_text(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_PROOF)
    except OSError as error:
        raise ProofCannotBeRead(f"{file} cannot be read: {error.strerror}") from error


def _lines(where: str | Path) -> Iterable[bytes]:
    if isinstance(where, str) and _is_address(where):
        return bucket_at(where).lines()
    return published_lines(Path(where))


def _is_address(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def settings_for(data_dir: Path | None, database_url: str | None) -> Settings:
    """Settings whose database is known; Redis is not needed."""
    settings = Settings.from_environment(data_dir=data_dir, database_url=database_url)
    return operating.write_down(settings) if settings.database_url else with_servers(settings)
