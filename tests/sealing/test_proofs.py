"""Proofs that are checked without a database, and what happens when one is edited."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from infrastructure.postgres.connections import connect
from infrastructure.sealing.canonical import NotCanonical, canonical_of, event_of, position_of
from infrastructure.sealing.desk import (
    EventMustBeSealed,
    EventMustExist,
    OlderSealMustComeFirst,
    SealDesk,
    SealMustExist,
)
from infrastructure.sealing.examining import Examination
from infrastructure.sealing.files import published_lines
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.opening import open_seal_desk
from infrastructure.sealing.proofs import ProofCannotBeRead, ProofIsWrong, check, encode_proof
from infrastructure.sealing.reading import BEFORE_ALL, LogSource
from tests.sealing.parts import Examined


@pytest.fixture
def seals(examined: Examined) -> Iterator[SealDesk]:
    with open_seal_desk(examined.url) as desk:
        yield desk


def test_every_event_is_proved_by_the_first_seal_that_has_it(examined: Examined, seals: SealDesk) -> None:
    trusted = read_public_keys(examined.public_keys)
    for position in range(1, 39):
        checked = check(encode_proof(seals.prove(position)), trusted)
        assert checked.event is not None
        assert (checked.event["log_position"], checked.keys_are_trusted) == (position, True)
        assert f"of seal {(position + 4) // 5}," in checked.sentence


def test_an_event_is_proved_by_any_later_seal(seals: SealDesk) -> None:
    for number in range(4, 9):
        assert f"of seal {number}," in check(encode_proof(seals.prove(17, number=number))).sentence


def test_every_seal_is_proved_to_continue_every_earlier_one(seals: SealDesk) -> None:
    for older in range(1, 9):
        for newer in range(older, 9):
            proof = seals.prove_consistency(older, newer)
            assert f"seal {newer} begin" in check(encode_proof(proof)).sentence
            if older < newer:
                with pytest.raises(OlderSealMustComeFirst):
                    seals.prove_consistency(newer, older)


def test_proofs_lean_on_kept_blocks_in_a_longer_log(desk: Any, servers: Any, tmp_path: Path) -> None:
    examined = Examined(desk, servers, tmp_path, events=600)
    examined.lengthen(2500)
    examined.seal()
    with open_seal_desk(examined.url) as seals:
        for position in (1, 600, 601, 1024, 1025, 2048, 2500):
            for number in (None, 5):
                check(encode_proof(seals.prove(position, number=number)))
        for older in range(1, 6):
            check(encode_proof(seals.prove_consistency(older, 5)))


def test_a_proof_needs_events_and_seals_that_are_there(examined: Examined, seals: SealDesk) -> None:
    examined.lengthen(1)

    with pytest.raises(EventMustBeSealed):
        seals.prove(39)
    with pytest.raises(EventMustExist):
        seals.prove(40)
    with pytest.raises(EventMustBeSealed):
        seals.prove(17, number=3)
    for number in (9, 0, -1, 2**80):
        with pytest.raises(SealMustExist):
            seals.prove(17, number=number)


def test_an_event_that_was_changed_cannot_be_proved(examined: Examined, seals: SealDesk) -> None:
    examined.tamper("UPDATE stored_events SET topic = 'x' WHERE notification_id = 17")

    with pytest.raises(ProofIsWrong, match="log position 17 is not among those that seal 4 sealed"):
        seals.prove(17)
    check(encode_proof(seals.prove(18)))


def test_seals_of_other_keys_are_refused(
    examined: Examined, seals: SealDesk, desk: Any, servers: Any, tmp_path: Path
) -> None:
    proof = encode_proof(seals.prove(17))
    other = Examined(desk, servers, tmp_path / "other")
    examined.tamper("TRUNCATE seals", "TRUNCATE seal_blocks")
    other.seal()

    with pytest.raises(ProofIsWrong, match="which is not a trusted one"):
        check(proof, read_public_keys(other.public_keys))


def test_a_proof_that_was_edited_anywhere_does_not_hold(seals: SealDesk) -> None:
    for proof in (seals.prove(17), seals.prove_consistency(3, 7)):
        whole = json.loads(encode_proof(proof))
        for edited in _edits(whole):
            with pytest.raises((ProofIsWrong, ProofCannotBeRead)):
                check(json.dumps(edited).encode())


def _edits(whole: Any) -> Iterator[Any]:
    """The proof with one of its parts changed, one after another."""
    for name, value in whole.items():
        if isinstance(value, int):
            yield {**whole, name: value + 1}
        elif isinstance(value, dict):
            yield from ({**whole, name: part} for part in _edits(value))
        elif isinstance(value, list):
            yield {**whole, name: value[:-1]}
            yield {**whole, name: [*value, "00" * 32]}
            yield {**whole, name: [_changed(value[0]), *value[1:]]}
        elif name != "proof":
            yield from ({**whole, name: text} for text in _texts(value))


def _texts(text: str) -> Iterator[str]:
    for at in range(0, len(text) - 2, max(1, len(text) // 40)):
        yield text[:at] + _changed(text[at]) + text[at + 1 :]


def _changed(text: str) -> str:
    return ("1" if text[0] != "1" else "2") + text[1:]


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b"\xff", b'{"proof":"nothing"}', b'{"proof":"inclusion"}']
)
def test_what_is_no_proof_is_refused(text: bytes) -> None:
    with pytest.raises(ProofCannotBeRead):
        check(text)


# Offline.


def offline(*arguments: object) -> tuple[int, str, str]:
    """`daybook …` in a process that knows of no database."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    environment["DAYBOOK_DATABASE_URL"] = "whatever this is"  # a setting that is read would be refused
    done = subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_proof_is_checked_by_a_process_without_database_or_settings(
    examined: Examined, seals: SealDesk, tmp_path: Path
) -> None:
    file = tmp_path / "event.proof"
    file.write_bytes(encode_proof(seals.prove(17)))

    code, out, err = offline("verify-proof", file, "--key", examined.public_keys)
    assert (code, err) == (0, "")
    assert "right: the event at log position 17 is number 17 of the 20 events of seal 4" in out
    assert "(a trusted key)" in out

    code, out, _ = offline("verify-proof", file, "--json")
    found = json.loads(out)
    assert (code, found["proof"], found["keys_are_trusted"]) == (0, "inclusion", False)
    assert found["event"]["state"]["amount"] == "1.00"

    file.write_bytes(file.read_bytes().replace(b'"index": 16', b'"index": 15'))
    code, out, err = offline("verify-proof", file)
    assert (code, out) == (1, "WRONG: the event is not number 16 of what seal 4 has\n")

    file.write_text("no proof")
    code, out, err = offline("verify-proof", file)
    assert (code, out) == (2, "")
    assert err.startswith("daybook: this is not a proof")
    assert offline("verify-proof", tmp_path / "nowhere")[0] == 2


# Events from elsewhere.


class Kept(Struct, frozen=True):
    """Events that are not in PostgreSQL, read out of and made into canonical bytes again."""

    rows_kept: list[bytes]

    def rows(self, after: int, up_to: int) -> Iterator[list[bytes]]:
        wanted = [row for row in self.rows_kept if after < position_of(row) <= up_to]
        yield from ([canonical_of(event_of(row))] for row in wanted)


def test_events_that_have_moved_elsewhere_are_verified_and_proved_by_the_same_code(
    examined: Examined,
) -> None:
    source = Kept([row for chunk in LogSource(examined.url).rows(BEFORE_ALL, 38) for row in chunk])
    trusted = read_public_keys(examined.public_keys)
    examined.tamper("TRUNCATE stored_events")

    found = Examination(trusted=trusted).run(examined.url, published_lines(examined.file), source)

    assert (found.findings, found.events_read) == ([], 38)
    with connect(examined.url, application="test") as connection:
        proof = SealDesk(lambda: nullcontext(connection), source).prove(17)
    assert check(encode_proof(proof), trusted).event is not None


# Canonical bytes.


def test_canonical_bytes_are_read_and_written_again(examined: Examined) -> None:
    rows = [row for chunk in LogSource(examined.url).rows(BEFORE_ALL, 10) for row in chunk]

    assert len(rows) == 10
    for row in rows:
        assert canonical_of(event_of(row)) == row


def test_canonical_bytes_are_laid_out_as_documented(examined: Examined) -> None:
    (row,) = [row for chunk in LogSource(examined.url).rows(0, 1) for row in chunk]
    event = event_of(row)
    micros = int((event.recorded_at.timestamp() - 946_684_800) * 1_000_000)

    fields = [
        (1).to_bytes(8, "big"),
        event.originator_id.bytes,
        (1).to_bytes(8, "big"),
        b"Account.Opened",
        event.state,
        event.account_id.bytes,
        micros.to_bytes(8, "big"),
        bytes(event.metadata),
    ]
    assert row == b"\x00\x08" + b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    assert msgspec.json.decode(event.state)


def test_other_bytes_are_no_event(examined: Examined) -> None:
    (row,) = [row for chunk in LogSource(examined.url).rows(0, 1) for row in chunk]

    for wrong in (b"", row[:-1], row + b"x", b"\x00\x07" + row[2:], row[:2] + b"\xff" + row[3:], row[:60]):
        with pytest.raises(NotCanonical):
            event_of(wrong)
    assert base64.b64encode(row)
