"""What was stored once is read for ever: each golden event decodes, folds into its aggregate and every projection."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.brokerage import fold
from domain.aggregate import Aggregate, Event
from domain.facts import AGGREGATE_OF, KINDS, TOPICS, UPCASTS
from infrastructure.eventstore.mapper import decode_event, encode_event
from projections.catalogue import PROJECTIONS
from projections.projection import Fact, Projection, Rows, key_of
from projections.words import describe
from tests.golden import add, files
from tests.golden.samples import STORY

METADATA = b'{"actor":"executor","role":"system"}'
GOLDEN = files.files()
each_file = pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)


def read(file: Path) -> Event:
    return decode_event(files.topic_in(file), file.read_bytes())


def story_with(golden: Event) -> list[Event]:
    """The story with a golden event in the place of the first of its kind."""
    index = next(number for number, event in enumerate(STORY) if type(event) is type(golden))
    return [*STORY[:index], golden, *STORY[index + 1 :]]


def folded(events: Iterable[Event]) -> dict[UUID, Aggregate]:
    found: dict[UUID, Any] = {}
    for event in events:
        found[event.originator_id] = fold(found.get(event.originator_id), (event,))
    return found


def rows_after(projection: Projection, events: Sequence[Event]) -> list[Any]:
    rows: Rows[Any] = Rows()
    for position, event in enumerate(events, 1):
        projection.apply(Fact(position, TOPICS[type(event)], event, METADATA), rows)
    return sorted(rows.changed(), key=lambda row: str(key_of(projection, row)))


def test_every_version_of_every_event_has_its_golden_file_and_there_is_no_other() -> None:
    """When this fails for a new event: a sample in tests/golden/samples.py, then `python -m tests.golden.add`."""
    assert {files.topic_in(file) for file in GOLDEN} == {*KINDS, *UPCASTS}


def test_no_golden_file_was_ever_changed() -> None:
    assert files.sums() == {file.name: files.digest_of(file) for file in GOLDEN}


@each_file
def test_a_golden_event_decodes_to_its_kind_and_can_be_put_into_words(file: Path) -> None:
    event = read(file)

    assert TOPICS[type(event)].partition(":")[0] == files.topic_in(file).partition(":")[0]
    assert describe(event)


@pytest.mark.parametrize("topic", KINDS)
def test_an_event_of_the_present_version_is_encoded_to_the_same_bytes(topic: str) -> None:
    stored = files.file_of(topic).read_bytes()

    assert encode_event(decode_event(topic, stored)) == stored


@each_file
def test_a_golden_event_folds_into_its_aggregate(file: Path) -> None:
    event = read(file)

    aggregate = folded(story_with(event))[event.originator_id]

    assert isinstance(aggregate, AGGREGATE_OF[type(event)])
    assert msgspec.json.decode(msgspec.json.encode(aggregate), type=type(aggregate)) == aggregate


@each_file
@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_a_golden_event_folds_into_every_projection(file: Path, projection: Projection) -> None:
    event = read(file)

    rows = rows_after(projection, story_with(event))

    keys = [key_of(projection, row) for row in rows_after(projection, STORY)]
    assert [key_of(projection, row) for row in rows] == keys


def test_every_projection_has_rows_of_the_story_so_that_folding_it_says_something() -> None:
    empty = [projection.name for projection in PROJECTIONS if not rows_after(projection, STORY)]

    assert empty == []


def test_adding_writes_what_is_missing_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "FOLDER", tmp_path / "events")
    monkeypatch.setattr(files, "SUMS", tmp_path / "sums.txt")

    assert add.main() == 0
    assert len(capsys.readouterr().out.splitlines()) == len(KINDS)
    assert {file.name: file.read_bytes() for file in files.files()} == {
        files.file_of(topic).name: encode_event(event) for topic, event in files.samples().items()
    }
    assert add.main() == 0
    assert capsys.readouterr().out == ""

    one, other = files.files()[:2]
    one.write_bytes(b"{}")
    other.unlink()
    assert add.main() == 1
    said = capsys.readouterr().err
    assert one.name in said
    assert other.name in said
    assert not other.exists()
