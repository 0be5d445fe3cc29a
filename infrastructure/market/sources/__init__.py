"""Where quotes come from. A source is an iterable of `(at, quotes)` in the order of market time.

`open_source` chooses one by the settings. Files are recognised by what they hold:

| file | read as |
| --- | --- |
| `YYYYMMDD_quote.zip`, `YYYYMMDD_trade.zip` | Lean ticks or minutes of one symbol |
| `.zip` whose lines begin with `YYYYMMDD HH:MM,` | Lean daily bars of the symbol it is named after |
| `.csv`, `.csv.gz`, `.zip` with the columns of `csv_file` | quotes |
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from infrastructure.market.calendars import Calendar, calendar_named
from infrastructure.market.sources import bokeh_bars, csv_file, lean
from infrastructure.market.sources.rows import MarketDataCannotBeRead, Replay, Row, Tally, lines_of
from infrastructure.market.sources.simulated import SimulatedMarket
from infrastructure.settings import Settings

__all__ = ["MarketDataCannotBeRead", "Replay", "SimulatedMarket", "Source", "open_source"]

Source = Replay | SimulatedMarket

SUFFIXES = (".zip", ".csv", ".csv.gz")
DAILY_LINE = re.compile(r"\d{8} \d\d:\d\d,")
BARS_CALENDAR = "XNYS"  # all bars we can read are of US shares, and have no time of day of their own


def open_source(
    settings: Settings,
    calendar: Calendar,
    resume_after: datetime | None = None,
    *,
    first_sequence: int | None = None,
    last_prices: Mapping[str, Decimal] | None = None,
) -> Source:
    """The source that the settings ask for. Raises MarketDataCannotBeRead.

    A replay leaves out what is at or before `resume_after` and numbers from `first_sequence` (1); a
    simulated market goes on from `last_prices`.
    """
    if settings.market_source == "simulated":
        return SimulatedMarket(
            settings.market_symbols,
            seed=settings.market_seed,
            interval=settings.market_interval,
            last_prices=last_prices,
            first_sequence=first_sequence,
        )
    tally = Tally()
    if settings.market_path:
        feeds = feeds_of(find_files(settings.market_path), calendar=_for_bars(calendar), tally=tally)
    else:
        feeds = bokeh_bars.feeds(_for_bars(calendar), tally=tally)
    return Replay(feeds, tally=tally, resume_after=resume_after, first_sequence=first_sequence or 1)


def find_files(paths: Iterable[str]) -> list[Path]:
    """The files of market data among files and folders, in order. Raises MarketDataCannotBeRead."""
    found: dict[Path, None] = {}  # a set that keeps its order: a file named twice is read once
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.name.endswith(SUFFIXES))
            if not inside:
                raise MarketDataCannotBeRead(f"{path}: no {', '.join(SUFFIXES)} in this folder")
            found.update(dict.fromkeys(each.resolve() for each in inside))
        elif path.is_file():
            found[path.resolve()] = None
        else:
            raise MarketDataCannotBeRead(f"{path}: there is no such file or folder")
    return list(found)


def feeds_of(files: Iterable[Path], *, calendar: Calendar, tally: Tally) -> list[Iterator[Row]]:
    """One feed for each symbol of ticks or minutes, and one for each other file."""
    days: list[lean.LeanFile] = []
    feeds: list[Iterator[Row]] = []
    for path in files:
        recognised = lean.recognise(path)
        if recognised is not None:
            days.append(recognised)
        else:
            feeds.append(_feed(path, calendar=calendar, tally=tally))
    for _, of_symbol in groupby(sorted(days), key=lambda file: (file.symbol, file.resolution)):
        feeds.append(lean.rows_of_days(list(of_symbol), tally=tally))
    return feeds


def _feed(path: Path, *, calendar: Calendar, tally: Tally) -> Iterator[Row]:
    with lines_of(path) as text:
        first_line = text.readline().rstrip("\r\n")
    if first_line.split(",") == csv_file.COLUMNS:
        return csv_file.rows_of_csv(path, tally=tally)
    if path.suffix == ".zip" and DAILY_LINE.match(first_line):
        return lean.rows_of_daily(path, calendar=calendar, tally=tally)
    raise MarketDataCannotBeRead(
        f"{path}: neither Lean data nor a table of {','.join(csv_file.COLUMNS)}; it begins {first_line[:60]!r}"
    )


def _for_bars(calendar: Calendar) -> Calendar:
    return calendar_named(BARS_CALENDAR) if calendar.name == "always" else calendar
