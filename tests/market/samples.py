"""What the market's tests share: where the sample data are, and small things to publish."""

import os
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from domain.quotes import ClockReading, Quote, Session, Tick

AT = datetime(2013, 10, 7, 15, 0, tzinfo=UTC)
OPEN = Session(
    is_open=True,
    previous_close=datetime(2013, 10, 4, 20, 0, tzinfo=UTC),
    closes_at=datetime(2013, 10, 7, 20, 0, tzinfo=UTC),
)
HEADER = "timestamp,symbol,bid,ask,bid_size,ask_size,last,volume\n"


def lean(path: str) -> Path:
    """A file or folder of Lean's sample data; the test is skipped where they are not at hand."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    found = Path(os.environ.get("DAYBOOK_TEST_DATA", beside)) / "lean" / path
    if not found.exists():
        pytest.skip(
            f"needs the sample data: {found} is not there, and DAYBOOK_TEST_DATA names no other place"
        )
    return found


def lines_inside(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0]).decode().splitlines()


def zipped(path: Path, *, name: str, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)
    return path


def quote(symbol: str = "IBM", *, last: str | None = "181.99", sequence: int = 1, at: datetime = AT) -> Quote:
    return Quote(
        symbol=symbol,
        bid=Decimal("181.98"),
        ask=None,
        bid_size=100,
        ask_size=0,
        last=None if last is None else Decimal(last),
        volume=500,
        at=at,
        sequence=sequence,
    )


def tick(*quotes: Quote, number: int = 1, run: str = "a run", at: datetime = AT) -> Tick:
    return Tick(run=run, number=number, at=at, session=OPEN, quotes=list(quotes))


def reading(
    *,
    at: datetime = AT,
    wall: datetime = AT,
    speed: float = 1.0,
    until: datetime = AT,
    finished: bool = False,
) -> ClockReading:
    return ClockReading(
        at=at, wall=wall, speed=speed, until=until, session=OPEN, source="replay", finished=finished
    )
