"""The sealer: when it seals, what it does after a crash, and that it never writes two seals of one number."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infrastructure.postgres.connections import connect
from infrastructure.sealing.agreeing import SealsMustAgree
from infrastructure.sealing.files import SealFileIsInUse
from infrastructure.sealing.keyring import Keyring, next_key_file
from infrastructure.sealing.keys import SealKeyCannotBeUsed, create_key, read_key, read_public_keys
from infrastructure.sealing.merkle import BLOCK, leaf_hashes, root_of
from infrastructure.sealing.reading import BEFORE_ALL, LogSource
from infrastructure.sealing.sealer import Sealer, SealTerms
from infrastructure.sealing.seals import SealIsWrong, chained
from infrastructure.sealing.store import SealStore
from tests.sealing.parts import Examined, standing, until, wrong

# A sealer that the kernel kills when the file would grow beyond a size: in the middle of a line, or before it.
SEAL_WITHIN = """
import resource, signal, sys
from pathlib import Path
from infrastructure.sealing.keyring import Keyring
from infrastructure.sealing.sealer import Sealer, SealTerms
url, file, key, size = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
keyring = Keyring(Path(key), public_keys=Path(file).with_suffix(".pub"), may_create=True)
Sealer(url, file=Path(file), keyring=keyring, terms=SealTerms(events=5)).catch_up()
"""

# A sealer at work until it is killed.
SEAL_ON = """
import sys, threading
from pathlib import Path
from infrastructure.sealing.keyring import Keyring
from infrastructure.sealing.sealer import Sealer, SealTerms
url, file, key = sys.argv[1:]
keyring = Keyring(Path(key), public_keys=Path(file).with_suffix(".pub"), may_create=True)
terms = SealTerms(interval=0.01, events=7)
Sealer(url, file=Path(file), keyring=keyring, terms=terms).run(threading.Event())
"""


def python(script: str, examined: Examined, *more: object) -> "subprocess.Popen[bytes]":
    arguments = [examined.url, str(examined.file), str(examined.key), *map(str, more)]
    return subprocess.Popen([sys.executable, "-c", script, *arguments])


@contextmanager
def at_work(sealer: Sealer) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=sealer.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_a_seal_is_the_tree_over_everything_up_to_it(examined: Examined) -> None:
    rows = [row for chunk in LogSource(examined.url).rows(BEFORE_ALL, 38) for row in chunk]

    seals = list(chained(examined.seals(), read_public_keys(examined.public_keys)))

    assert [(sealed.seal.number, sealed.seal.count, sealed.seal.last_position) for sealed in seals] == [
        (number, min(number * 5, 38), min(number * 5, 38)) for number in range(1, 9)
    ]
    for sealed in seals:
        assert sealed.seal.root == root_of(leaf_hashes(rows[: sealed.seal.count])).hex()


def test_an_empty_log_has_no_seal(desk: Any, servers: Any, tmp_path: Path) -> None:
    empty = Examined(desk, servers, tmp_path)

    assert empty.seal() == 0
    assert (wrong(empty.verify()), empty.verify().seals) == ([], 0)


def test_nothing_is_sealed_twice(examined: Examined) -> None:
    before = examined.file.read_bytes()

    assert examined.seal() == 8
    assert examined.file.read_bytes() == before


def test_hashes_of_blocks_are_kept_across_seals_and_starts(desk: Any, servers: Any, tmp_path: Path) -> None:
    examined = Examined(desk, servers, tmp_path, events=700)
    for _ in range(3):
        examined.lengthen(1000)
        examined.seal()

    with connect(examined.url, application="test") as connection:
        row = connection.execute("SELECT count(*), min(number), max(number) FROM seal_blocks").fetchone()
    assert row == (3000 // BLOCK, 0, 3000 // BLOCK - 1)
    assert wrong(examined.verify()) == []


def test_a_seal_is_written_each_interval_in_which_something_was_recorded(examined: Examined) -> None:
    with at_work(examined.sealer()):
        for number in (9, 10):
            examined.lengthen(1)
            until(lambda number=number: standing(examined).published_number == number)
        time.sleep(0.3)
        assert standing(examined).number == 10

    assert wrong(examined.verify()) == []


def test_so_many_events_are_sealed_before_the_interval_is_over(
    desk: Any, servers: Any, tmp_path: Path
) -> None:
    examined = Examined(desk, servers, tmp_path)
    examined.terms = SealTerms(interval=3600, events=20)
    examined.lengthen(1)

    with at_work(examined.sealer()):
        examined.lengthen(30)
        until(lambda: standing(examined).number >= 1)
        assert standing(examined).log_position == 20

    assert standing(examined).log_position == 31, "a stop seals what there is"


def test_of_two_sealers_one_works_and_the_other_takes_over(examined: Examined) -> None:
    first, second = examined.sealer(), examined.sealer()
    with at_work(second):
        with at_work(first):
            for _ in range(10):
                examined.lengthen(3)
                time.sleep(0.03)
        examined.lengthen(3)
        until(lambda: standing(examined).log_position == examined.end())

    assert wrong(examined.verify()) == []


def test_a_file_is_published_into_by_one_process(examined: Examined) -> None:
    with examined.sealer().session(), pytest.raises(SealFileIsInUse), examined.sealer().session():
        pass


def test_who_verifies_while_seals_are_written_finds_nothing_wrong(examined: Examined) -> None:
    examined.terms = SealTerms(interval=0.01, events=3)
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            examined.lengthen(7)

    with at_work(examined.sealer()):
        writer = threading.Thread(target=go_on)
        writer.start()
        found = [examined.verify() for _ in range(40)]
        stop.set()
        writer.join()

    assert [wrong(one) for one in found] == [[]] * 40
    assert found[-1].seals > found[0].seals


# Killed between the database and the file.


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_kill_between_database_and_file_is_made_up_for(examined: Examined, share: float) -> None:
    examined.lengthen(5)
    size = examined.file.stat().st_size
    limit = size + int(share * 600)

    killed = python(SEAL_WITHIN, examined, limit)

    assert killed.wait(30) == -signal.SIGXFSZ
    assert examined.file.stat().st_size == limit
    with connect(examined.url, application="test") as connection:
        kept = SealStore(connection).last()
    assert kept is not None
    assert kept.seal.number == 9, "the database has it, the file has not"

    assert examined.seal() == 9
    assert examined.seals()[-1] == kept, "the same seal, not another of the same number"
    assert wrong(examined.verify()) == []


def test_kills_at_any_moment_leave_one_whole_chain(examined: Examined) -> None:
    chance = random.Random(11)
    for _ in range(12):
        sealer = python(SEAL_ON, examined)
        end = time.monotonic() + 0.6 + chance.random()
        while time.monotonic() < end:
            examined.lengthen(chance.randint(1, 20))
        os.kill(sealer.pid, signal.SIGKILL)
        sealer.wait()

    examined.seal()

    found = examined.verify()
    assert (wrong(found), found.count) == ([], examined.end())
    assert found.seals > 12


def test_a_fragment_of_a_seal_that_does_not_exist_is_cut_off(examined: Examined) -> None:
    with examined.file.open("ab") as file:
        file.write(b'{"seal":{"number":9,')

    assert examined.seal() == 8
    assert wrong(examined.verify()) == []


def test_half_a_line_that_is_not_the_databases_stops_sealing(examined: Examined) -> None:
    lines = examined.file.read_bytes().splitlines(keepends=True)
    examined.file.write_bytes(b"".join(lines[:7]) + b'{"seal":{"number":9')

    with pytest.raises(SealsMustAgree, match="half a line that is not of seal 8"):
        examined.seal()


# One side is behind.


def test_seals_that_the_file_lost_are_published_again(examined: Examined) -> None:
    before = examined.file.read_bytes()
    examined.file.unlink()

    assert examined.seal() == 8
    assert examined.file.read_bytes() == before


def test_a_database_that_was_restored_learns_its_seals_from_the_file(examined: Examined) -> None:
    examined.tamper("DELETE FROM seals WHERE number > 3", "DELETE FROM seal_blocks")
    assert standing(examined).number == 3

    assert examined.seal() == 8
    assert wrong(examined.verify()) == []


def test_a_database_that_lost_events_with_their_seals_is_not_sealed_again(examined: Examined) -> None:
    examined.tamper(
        "DELETE FROM seals WHERE number > 3", "DELETE FROM stored_events WHERE notification_id > 20"
    )

    with pytest.raises(SealsMustAgree, match="seal 5 is published, but the log is not what it sealed"):
        examined.seal()


def test_who_stands_still_says_so_and_goes_on_once_it_is_mended(examined: Examined) -> None:
    whole = examined.file.read_bytes()
    examined.file.write_bytes(whole + b"not a seal\n")

    with at_work(examined.sealer()):
        until(lambda: standing(examined).failure is not None)
        assert "the line cannot be read" in standing(examined).failure
        examined.file.write_bytes(whole)
        examined.lengthen(1)
        until(lambda: standing(examined).failure is None and standing(examined).number == 9)


def test_kept_hashes_that_do_not_make_the_root_stop_sealing(desk: Any, servers: Any, tmp_path: Path) -> None:
    examined = Examined(desk, servers, tmp_path, events=BLOCK)
    examined.lengthen(BLOCK + 3)
    examined.seal()
    examined.tamper("UPDATE seal_blocks SET hash = set_byte(hash, 3, get_byte(hash, 3) # 1) WHERE number = 0")

    with pytest.raises(SealsMustAgree, match="do not make the root of seal 2"):
        examined.seal()


def test_a_last_line_that_cannot_be_read_stops_sealing(examined: Examined) -> None:
    with examined.file.open("ab") as file:
        file.write(b"not a seal\n")

    with pytest.raises(SealIsWrong, match="the line cannot be read"):
        examined.seal()


# Keys.


def test_the_first_key_is_made_for_its_owner_alone(examined: Examined) -> None:
    assert examined.key.stat().st_mode & 0o777 == 0o600
    assert read_public_keys(examined.public_keys)[0].hex == examined.seals()[0].seal.key


def test_a_key_changes_by_a_seal_that_names_the_next(examined: Examined) -> None:
    old = read_key(examined.key).public
    new = create_key(next_key_file(examined.key)).public

    with at_work(examined.sealer()):
        examined.lengthen(3)
        until(
            lambda: (
                standing(examined).log_position == examined.end() and not next_key_file(examined.key).exists()
            )
        )
        examined.lengthen(3)
        until(lambda: standing(examined).log_position == examined.end())

    naming = next(sealed.seal for sealed in examined.seals() if sealed.seal.next_key)
    assert (naming.key, naming.next_key) == (old.hex, new.hex)
    assert examined.seals()[-1].seal.key == new.hex
    assert read_key(examined.key).public.hex == new.hex
    assert [key.hex for key in read_public_keys(examined.public_keys)] == [old.hex, new.hex]
    assert wrong(examined.verify()) == []


def test_a_kill_between_the_naming_seal_and_the_renaming_is_made_up_for(examined: Examined) -> None:
    new = create_key(next_key_file(examined.key)).public
    with examined.sealer().session() as session:
        session._seal(b"", session.last.seal.last_position, next_key=new)  # type: ignore[union-attr]

    examined.lengthen(3)

    assert examined.seal() == 10
    assert examined.seals()[-1].seal.key == new.hex
    assert wrong(examined.verify()) == []


def test_a_key_whose_turn_it_is_not_is_refused(examined: Examined) -> None:
    examined.key.unlink()
    create_key(examined.key)

    with pytest.raises(SealKeyCannotBeUsed, match="it is the turn of seal key"):
        examined.seal()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda key: key.unlink(), "cannot be read"),
        (lambda key: key.chmod(0o644), "others may read"),
        (lambda key: key.write_text("no key"), "no private key"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused(examined: Examined, damage: Any, sentence: str) -> None:
    damage(examined.key)

    with pytest.raises(SealKeyCannotBeUsed, match=sentence):
        examined.seal()


def test_a_key_of_ones_own_is_not_made_by_itself(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "key", public_keys=tmp_path / "pub", may_create=False)

    with pytest.raises(SealKeyCannotBeUsed, match="cannot be read"):
        keyring.open(None)
