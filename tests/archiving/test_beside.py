"""While months move, readers miss nothing and see nothing twice, and work goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.account import Account
from infrastructure.archiving.months import archived_end
from infrastructure.archiving.moving import ArchivingIsUnderWay
from infrastructure.eventstore.aggregates import encode_snapshot, load_aggregates
from infrastructure.past import open_history
from infrastructure.postgres.connections import connect
from infrastructure.projecting.rebuild.reading import read_between
from infrastructure.sealing.reading import BEFORE_ALL, LogSource
from tests.archiving.parts import JANUARY, Kept, money
from tests.projecting.worked import ANN, OWNER, c


def live_long(kept: Kept) -> int:
    """Eight months of deposits; where the log ends."""
    kept.desk.do(c.OpenAccount(account_id=ANN, owner_id=OWNER))
    for month in range(1, 9):
        kept.desk.time = JANUARY.replace(month=month)
        for _ in range(6):
            kept.desk.do(money(ANN))
    kept.examined.seal()
    return kept.hot()[-1]


READS: dict[str, Callable[[Kept, int], Any]] = {
    "rows": lambda kept, end: kept.rows()[:end],
    "canonical": lambda kept, end: [
        one for part in LogSource(kept.url).rows(BEFORE_ALL, end) for one in part
    ],
    "as of": lambda kept, end: _as_of(kept, end),
    "chunks": lambda kept, end: _chunks(kept, end),
    "aggregate": lambda kept, end: _aggregate(kept),
}


@pytest.mark.parametrize("name", READS)
def test_a_reader_beside_the_archive_always_has_the_same(kept: Kept, name: str) -> None:
    end = live_long(kept)
    expected = READS[name](kept, end)

    with again_and_again(lambda: READS[name](kept, end) == expected) as outcomes:
        moved = kept.archive()

    assert len(moved) == 7
    assert READS[name](kept, end) == expected
    assert all(outcomes)


def test_work_goes_on_beside_the_archive(kept: Kept) -> None:
    live_long(kept)

    with again_and_again(lambda: bool(kept.desk.do(money(ANN)).log_position)) as outcomes:
        kept.archive()

    rows = kept.rows()
    assert all(outcomes)
    assert [row.log_position for row in rows] == list(range(1, len(rows) + 1))
    assert [row.originator_version for row in rows] == list(range(1, len(rows) + 1))


def test_two_archivers_do_not_work_at_once(kept: Kept) -> None:
    live_long(kept)
    first = kept.archiver().run(kept.rows()[-1].recorded_at.date())
    next(first)

    with pytest.raises(ArchivingIsUnderWay):
        kept.archive()

    assert len(list(first)) == 6
    with kept.connection() as connection:
        assert archived_end(connection) == kept.hot()[0] - 1


@contextmanager
def again_and_again(ask: Callable[[], bool]) -> Iterator[list[bool]]:
    """Ask in a thread of its own for as long as the block runs, and once more."""
    outcomes: list[bool] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            outcomes.append(_asked(ask))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield outcomes
    finally:
        over.set()
        thread.join()


def _asked(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except Exception:  # noqa: BLE001  the block that works beside must end first
        return False


def _as_of(kept: Kept, end: int) -> bytes:
    with open_history(kept.url, lambda: JANUARY + timedelta(days=3650)) as history:
        return repr(history.as_of_now(ANN, end, None, explain=True)).encode()


def _chunks(kept: Kept, end: int) -> list[Any]:
    found: list[Any] = []
    with connect(kept.url, application="test") as connection:
        for after in range(0, end, 5):
            found += read_between(connection, after, min(after + 5, end))
    return found


def _aggregate(kept: Kept) -> Any:
    with connect(kept.owner_url, application="test") as connection:
        connection.execute("DELETE FROM stored_snapshots")
        found = load_aggregates(connection, [(Account, ANN), (Account, uuid4())])
    return {i: encode_snapshot(one) for i, one in found.items()}
