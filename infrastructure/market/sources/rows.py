"""What every file of market data is read into: rows in the order of time, then numbered quotes."""

import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TextIO

from application.expected import TellTheOperator
from domain.quotes import Quote


class MarketDataCannotBeRead(TellTheOperator):
    """A file of market data is missing, unknown or broken; the sentence says which, where and why."""


class Row(NamedTuple):
    """A quote that has no sequence yet. Units and shapes are those of `domain.quotes.Quote`."""

    at: datetime
    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    bid_size: int
    ask_size: int
    last: Decimal | None
    volume: int


@dataclass
class Tally:
    """What has been read so far, in rows of the files."""

    rows: int = 0
    left_out: int = 0  # marked as suspicious by whoever recorded them, or a bar of a day without a session


class Replay:
    """Recorded rows of any number of feeds, merged by time and numbered from `first_sequence`.

    Iterating yields `(at, quotes)`, all quotes of one moment together, moments growing. The numbers
    depend on the data only: a row has the same sequence however often it is replayed. Rows at or
    before `resume_after` are numbered and counted but not yielded; `before` holds, by symbol, the
    last quotes among them, once the first moment has been asked for. Rows of one moment keep the
    order of the feeds.
    """

    name = "replay"

    def __init__(
        self,
        feeds: Iterable[Iterable[Row]],
        *,
        tally: Tally,
        resume_after: datetime | None = None,
        first_sequence: int = 1,
    ) -> None:
        self._feeds = list(feeds)
        self.tally = tally
        self.resume_after = resume_after
        self.first_sequence = first_sequence
        self.before: dict[str, Quote] = {}

    def __iter__(self) -> Iterator[tuple[datetime, list[Quote]]]:
        sequence = self.first_sequence
        for at, rows in groupby(merge(*self._feeds, key=itemgetter(0)), key=itemgetter(0)):
            quotes = [_quote(row, sequence=number) for number, row in enumerate(rows, sequence)]
            sequence += len(quotes)
            if self.resume_after is not None and at <= self.resume_after:
                self.before.update((quote.symbol, quote) for quote in quotes)
            else:
                yield at, quotes


def _quote(row: Row, *, sequence: int) -> Quote:
    at, symbol, bid, ask, bid_size, ask_size, last, volume = row
    return Quote(
        symbol=symbol,
        bid=bid,
        ask=ask,
        bid_size=bid_size,
        ask_size=ask_size,
        last=last,
        volume=volume,
        at=at,
        sequence=sequence,
    )


@contextmanager
def lines_of(path: Path) -> Iterator[TextIO]:
    """Open a text file, plain, .gz or the only member of a .zip. Raises MarketDataCannotBeRead."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(only_member(path, archive)) as raw:
                yield io.TextIOWrapper(raw, encoding="utf-8", newline="")
        elif path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
                yield text
        else:
            with path.open(encoding="utf-8", newline="") as plain:
                yield plain
    except (OSError, EOFError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise MarketDataCannotBeRead(f"{path}: {error}") from error


def only_member(path: Path, archive: zipfile.ZipFile) -> str:
    """The name of the one file in a zip. Raises MarketDataCannotBeRead."""
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if len(names) != 1:
        raise MarketDataCannotBeRead(f"{path}: a zip of market data holds one file, this one {len(names)}")
    return names[0]
