"""A sealer stops, and says so, when an old seal or the file under it is no longer what it was."""

from pathlib import Path
from typing import Any

import pytest

from infrastructure.sealing import sealer as sealing_module
from infrastructure.sealing.agreeing import SealsMustAgree
from infrastructure.sealing.seals import SealIsWrong
from tests.sealing.parts import Examined, standing, until, wrong
from tests.sealing.parts import sealing as at_work

ROTTEN = "UPDATE seals SET {} WHERE number = 3"


def in_old_line(examined: Examined, old: bytes, new: bytes, *, number: int = 3) -> None:
    lines = examined.file.read_bytes().splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new)
    examined.file.write_bytes(b"".join(lines))


# All seals, at the start.


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b'"count":15', b'"count":16', "seal 3: is not what was signed"),
        (b'"leaves":"', b'"leaves":"AAAA', "seal 3: its leaves are not as many"),
        (b'"signature"', b'"sagniture"', "seal 3: the line cannot be read"),
    ],
)
def test_a_byte_of_an_old_line_stops_the_start(
    examined: Examined, old: bytes, new: bytes, sentence: str
) -> None:
    in_old_line(examined, old, new)
    before = examined.file.read_bytes()

    with pytest.raises(SealIsWrong, match=sentence):
        examined.seal()

    assert examined.file.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("signature = set_byte(signature, 5, get_byte(signature, 5) # 1)", "seal 3 is not the same in"),
        ("leaves = set_byte(leaves, 5, get_byte(leaves, 5) # 1)", "seal 3 is not the same in"),
        ("seal = replace(seal, '15', '16')", "seal 3: has other numbers beside it"),
        ("seal = 'x'", "seal 3: cannot be read in the database"),
        ("last_position = 14", "seal 3: has other numbers beside it"),
    ],
)
def test_a_byte_of_an_old_row_stops_the_start(examined: Examined, change: str, sentence: str) -> None:
    examined.tamper(ROTTEN.format(change))

    with pytest.raises((SealsMustAgree, SealIsWrong), match=sentence):
        examined.seal()

    assert [where for where, _ in wrong(examined.verify())] == ["database"]


def test_a_wrong_row_is_not_published_into_a_new_file(examined: Examined) -> None:
    examined.tamper(ROTTEN.format("signature = set_byte(signature, 5, get_byte(signature, 5) # 1)"))
    examined.file.unlink()

    with pytest.raises(SealIsWrong, match="seal 3: is not what was signed"):
        examined.seal()

    assert examined.file.read_bytes() == b""


@pytest.mark.parametrize("at_once", [5_000, 2])
def test_what_is_wrong_shows_until_it_is_mended(
    examined: Examined, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(sealing_module, "AT_ONCE", at_once)  # with 2 a thread of its own checks
    monkeypatch.setattr(sealing_module, "TRY_AGAIN_S", 0.1)
    whole = examined.file.read_bytes()
    in_old_line(examined, b'"count":15', b'"count":16')

    with at_work(examined.sealer()):
        until(lambda: standing(examined).failure is not None)
        assert standing(examined).failure == "seal 3: is not what was signed"
        examined.lengthen(1)
        examined.file.write_bytes(whole + examined.file.read_bytes()[len(whole) :])
        until(lambda: standing(examined).failure is None and standing(examined).log_position == 39)

    assert wrong(examined.verify()) == []


# The file, under a sealer at work.


@pytest.mark.parametrize("how", ["unlink", "move"])
def test_a_file_that_is_deleted_or_moved_away_is_written_anew(
    examined: Examined, tmp_path: Path, how: str
) -> None:
    before = examined.file.read_bytes()
    with at_work(examined.sealer()):
        examined.lengthen(1)
        until(lambda: standing(examined).published_number == 9)
        examined.file.unlink() if how == "unlink" else examined.file.rename(tmp_path / "seals.jsonl.1")
        until(examined.file.exists)
        examined.lengthen(1)
        until(lambda: standing(examined).published_number == 10)
        assert standing(examined).failure is None

    assert examined.file.read_bytes().startswith(before)
    assert (wrong(examined.verify()), examined.verify().seals) == ([], 10)


def rotated(file: Path) -> None:
    file.rename(file.with_suffix(".1"))
    file.touch()


def truncated(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:5]))


def lengthened(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"a line\n")


@pytest.mark.parametrize("damage", [rotated, truncated, cut, lengthened])
def test_a_file_that_was_replaced_or_cut_stops_sealing_until_it_is_put_back(
    examined: Examined, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    monkeypatch.setattr(sealing_module, "TRY_AGAIN_S", 0.1)
    with at_work(examined.sealer()):
        examined.lengthen(1)
        until(lambda: standing(examined).published_number == 9)
        whole = examined.file.read_bytes()
        damage(examined.file)
        until(lambda: standing(examined).failure is not None)
        examined.lengthen(1)
        seen = [standing(examined) for _ in range(50)]
        assert {(one.failure is None, one.number) for one in seen} == {(False, 9)}
        examined.file.unlink()
        until(lambda: "is gone, and was wrong before" in (standing(examined).failure or ""))
        examined.file.write_bytes(whole)
        until(lambda: standing(examined).failure is None and standing(examined).log_position == 40)

    assert (wrong(examined.verify()), examined.verify().seals) == ([], 10)
