"""What the compliance desk reads of old events is the same after they were archived: reports, searches, detectors."""

import threading
from datetime import date
from typing import Any

import msgspec
import pytest

from application.errors import ArchiveMustBeReadable
from infrastructure.auditing import cat
from infrastructure.auditing.exporting import export
from infrastructure.auditing.searching import Sought, search
from infrastructure.market.calendars import calendar_named
from infrastructure.origins import Origins
from infrastructure.privacy.keyring import KeyRing
from infrastructure.privacy.master import MasterKeys
from infrastructure.projecting.runner import Projector
from infrastructure.surveillance.reading import read_page
from projections.catalogue import PROJECTIONS
from tests.archiving.parts import Kept
from tests.conftest import MASTER_KEY
from tests.projecting.worked import ANN, FIRST

EVERYTHING = 1_000_000


def reports(kept: Kept, days: set[date]) -> list[bytes]:
    return [b"".join(cat.report(kept.url, day, "DAYB")) for day in sorted(days)]


def days_of(kept: Kept) -> set[date]:
    return {row.recorded_at.astimezone(cat.EASTERN).date() for row in kept.rows()}


@pytest.mark.parametrize("chunk", [1, 3, 5_000])
def test_a_days_report_to_cat(kept: Kept, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cat, "CHUNK", chunk)
    kept.live()
    days = days_of(kept) | {date(2025, 12, 31), date(2026, 1, 11), date(2026, 5, 1)}
    before = reports(kept, days)

    kept.archive()

    assert sum(bool(report) for report in before) >= 3
    assert reports(kept, days) == before


def test_an_archive_that_was_altered_is_not_reported_without(kept: Kept) -> None:
    kept.live()
    day = min(days_of(kept))
    month, *_ = kept.archive()
    month.path.chmod(0o600)
    month.path.write_bytes(month.path.read_bytes()[:-1] + b"?")

    with pytest.raises(ArchiveMustBeReadable):
        reports(kept, {day})


def test_a_search_of_the_audit_and_its_file(kept: Kept) -> None:
    kept.live()
    Projector(kept.url, PROJECTIONS, wake=threading.Event()).catch_up()
    origins = Origins(KeyRing(MasterKeys(text=MASTER_KEY)), visitor_days=0)

    def told() -> list[Any]:
        with kept.connection() as connection:
            found = [
                msgspec.json.encode(search(connection, origins, sought, limit=EVERYTHING))
                for sought in (Sought(), Sought(account_id=ANN), Sought(order_id=FIRST))
            ]
        return [*found, b"".join(export(kept.url, origins, "jsonl", Sought()))]

    before = told()
    kept.archive()

    assert told() == before
    assert b'"fact":null' not in before[0]


def test_what_the_detectors_see(kept: Kept) -> None:
    kept.live()
    day_of = calendar_named("always").day_of

    def seen() -> list[str]:
        with kept.connection() as connection:
            return [
                repr(one)
                for after in range(0, 200, 7)
                for one in read_page(connection, after, after + 7, day_of)
            ]

    before = seen()
    kept.archive()

    assert before
    assert seen() == before
