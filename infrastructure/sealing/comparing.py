"""Events against the leaf hashes that were sealed, and the first one that differs."""

from collections.abc import Iterator
from itertools import chain, islice

from msgspec import Struct

from infrastructure.sealing.canonical import NotCanonical, event_of, position_of
from infrastructure.sealing.merkle import WIDTH, leaf_hash, leaf_hashes
from infrastructure.sealing.reading import EventSource

STRETCH = 100_000
"""About so many events are compared at once."""

LOOK_AHEAD = 4_000
"""So many events after one that differs are looked at, to tell one that was changed from those that were added."""


class Stretch(Struct, frozen=True):
    """Events after a log position and up to another, of which `first` come before; and what was sealed of them."""

    after: int
    up_to: int
    first: int
    leaves: bytes


class Difference(Struct, frozen=True, kw_only=True):
    """The first event that is not what was sealed. `number` counts events from 1.

    `kind`: `changed` (something else stands there), `missing` (nothing does), `added` (it was never sealed).
    """

    kind: str
    log_position: int
    number: int
    sealed_hash: str | None
    found_hash: str | None
    found: str | None

    def sentence(self) -> str:
        """For a person."""
        now = f"; there is {self.found} now" if self.found and self.kind != "missing" else ""
        return (
            f"the event at log position {self.log_position} (number {self.number:,}) {_KINDS[self.kind]}{now}"
        )


_KINDS = {
    "changed": "is not the one that was sealed",
    "missing": "was sealed and is missing",
    "added": "was never sealed",
}


class Compared(Struct, frozen=True):
    """How many events were read, and the first that differs."""

    events: int
    difference: Difference | None = None


def compare(source: EventSource, stretch: Stretch) -> Compared:
    """Read the stretch's events, hash them, and compare."""
    at, position = 0, stretch.after
    chunks = source.rows(stretch.after, stretch.up_to)
    for rows in chunks:
        found, end = leaf_hashes(rows), at + len(rows) * WIDTH
        if found != stretch.leaves[at:end]:
            number = stretch.first + at // WIDTH
            further = [*rows, *islice(chain.from_iterable(chunks), LOOK_AHEAD)]
            difference = _locate(further, stretch.leaves[at:], position=position, number=number)
            return Compared(difference.number - stretch.first, difference)
        at, position = end, position_of(rows[-1])
    if at < len(stretch.leaves):
        number = stretch.first + at // WIDTH + 1
        return Compared(at // WIDTH, _missing(max(position, 0) + 1, number, stretch.leaves[at : at + WIDTH]))
    return Compared(at // WIDTH)


def _locate(rows: list[bytes], sealed: bytes, *, position: int, number: int) -> Difference:
    """The first difference between these events' hashes and those that were sealed from there on."""
    found = leaf_hashes(rows)
    index = next(n for n, (one, other) in enumerate(_pairs(found, sealed)) if one != other)
    before = position if index == 0 else position_of(rows[index - 1])
    ours, theirs = _hash(found, index), _hash(sealed, index)
    if theirs and theirs not in _later(found, index) and ours in _later(sealed, index):
        return _missing(max(before, 0) + 1, number + index + 1, theirs)
    is_added = not theirs or theirs in _later(found, index)
    return Difference(
        kind="added" if is_added and ours not in _later(sealed, index) else "changed",
        log_position=position_of(rows[index]),
        number=number + index + 1,
        sealed_hash=theirs.hex() or None,
        found_hash=leaf_hash(rows[index]).hex(),
        found=_described(rows[index]),
    )


def _missing(log_position: int, number: int, sealed: bytes) -> Difference:
    return Difference(
        kind="missing",
        log_position=log_position,
        number=number,
        sealed_hash=sealed.hex(),
        found_hash=None,
        found=None,
    )


def _pairs(found: bytes, sealed: bytes) -> Iterator[tuple[bytes, bytes]]:
    for index in range(len(found) // WIDTH):
        yield _hash(found, index), _hash(sealed, index)


def _hash(hashes: bytes, index: int) -> bytes:
    return hashes[index * WIDTH : (index + 1) * WIDTH]


def _later(hashes: bytes, index: int) -> set[bytes]:
    return {hashes[at : at + WIDTH] for at in range((index + 1) * WIDTH, len(hashes), WIDTH)}


def _described(row: bytes) -> str:
    try:
        event = event_of(row)
    except NotCanonical as error:
        return f"something that is no event ({error})"
    return (
        f"{event.topic} of {event.originator_id}, version {event.originator_version},"
        f" recorded at {event.recorded_at.isoformat()}"
    )
