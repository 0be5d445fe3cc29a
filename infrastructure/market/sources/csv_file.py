"""Quotes from a file of comma separated values: plain, .gz, or the only member of a .zip.

Columns: timestamp,symbol,bid,ask,bid_size,ask_size,last,volume. Timestamps are RFC 3339 with their
offset and never run backwards; prices are dollars with at most 4 places; an empty price is a side
(or a last sale) that is not there.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from infrastructure.market.sources.rows import MarketDataCannotBeRead, Row, Tally, lines_of

COLUMNS = ["timestamp", "symbol", "bid", "ask", "bid_size", "ask_size", "last", "volume"]
PLACES = -4


def rows_of_csv(path: Path, *, tally: Tally) -> Iterator[Row]:
    """The rows of the file. Raises MarketDataCannotBeRead with the line's number."""
    with lines_of(path) as text:
        reader = csv.reader(text)
        if next(reader, None) != COLUMNS:
            raise MarketDataCannotBeRead(f"{path}, line 1: the columns must be {','.join(COLUMNS)}")
        latest: datetime | None = None
        for fields in reader:
            row = _row(fields, where=f"{path}, line {reader.line_num}")
            if latest is not None and row.at < latest:
                raise MarketDataCannotBeRead(f"{path}, line {reader.line_num}: time runs backwards")
            latest = row.at
            tally.rows += 1
            yield row


def _row(fields: list[str], *, where: str) -> Row:
    if len(fields) != len(COLUMNS):
        raise MarketDataCannotBeRead(f"{where}: {len(fields)} fields, {len(COLUMNS)} are needed")
    try:
        stamp, symbol, bid, ask, bid_size, ask_size, last, volume = fields
        _require_uncrossed(_price(bid), _price(ask))
        return Row(
            at=_moment(stamp),
            symbol=_symbol(symbol),
            bid=_price(bid),
            ask=_price(ask),
            bid_size=_count(bid_size) if bid else 0,
            ask_size=_count(ask_size) if ask else 0,
            last=_price(last),
            volume=_count(volume),
        )
    except (ValueError, InvalidOperation) as error:
        raise MarketDataCannotBeRead(f"{where}: {error}") from error


def _require_uncrossed(bid: Decimal | None, ask: Decimal | None) -> None:
    """A bid above the ask would let everybody buy below what they can sell at."""
    if bid is not None and ask is not None and bid > ask:
        raise ValueError(f"the bid of {bid} is above the ask of {ask}")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} must end with its offset from UTC, such as Z")
    return moment.astimezone(UTC)


def _symbol(text: str) -> str:
    symbol = text.strip().upper()
    if not symbol:
        raise ValueError("the symbol must not be empty")
    return symbol


def _price(text: str) -> Decimal | None:
    if not text:
        return None
    price = Decimal(text)
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < PLACES or price <= 0:
        raise ValueError(f"{text} must be a price above 0 with at most 4 places")
    return price


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(f"{text} must not be below 0")
    return count
