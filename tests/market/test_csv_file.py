"""Quotes from a table of comma separated values."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from infrastructure.market.sources.csv_file import rows_of_csv
from infrastructure.market.sources.rows import MarketDataCannotBeRead, Tally
from tests.market.samples import HEADER, zipped

ROW = "2013-10-07T09:30:00-04:00,ibm,181.98,,100,0,181.9901,500\n"


def test_a_row_keeps_its_exact_prices_and_its_moment_in_utc(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text(HEADER + ROW)

    (row,) = rows_of_csv(path, tally=Tally())

    assert row.at == datetime(2013, 10, 7, 13, 30, tzinfo=UTC)
    assert row[1:] == ("IBM", Decimal("181.98"), None, 100, 0, Decimal("181.9901"), 500)


def test_the_same_table_reads_the_same_plain_and_compressed(tmp_path: Path) -> None:
    plain, packed = tmp_path / "quotes.csv", tmp_path / "quotes.csv.gz"
    plain.write_text(HEADER + ROW)
    packed.write_bytes(gzip.compress((HEADER + ROW).encode()))
    archive = zipped(tmp_path / "quotes.zip", name="quotes.csv", text=HEADER + ROW)

    read = [list(rows_of_csv(path, tally=Tally())) for path in (plain, packed, archive)]

    assert len(read[0]) == 1
    assert read[0] == read[1] == read[2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2013-10-07T09:30:00,IBM,1,2,1,1,1,0", "offset"),
        ("2013-10-07T09:30:00Z,IBM,1.00001,2,1,1,1,0", "4 places"),
        ("2013-10-07T09:30:00Z,IBM,NaN,2,1,1,1,0", "4 places"),
        ("2013-10-07T09:30:00Z,IBM,-1,2,1,1,1,0", "above 0"),
        ("2013-10-07T09:30:00Z,IBM,1,2,1,1,1,-5", "below 0"),
        ("2013-10-07T09:30:00Z,IBM,1,2,1,1,1", "7 fields, 8 are needed"),
        ("2013-10-07T09:30:00Z,IBM,3,2,1,1,1,1", "the bid of 3 is above the ask of 2"),
        ("2013-10-07T09:30:00Z,,1,2,1,1,1,0", "empty"),
        ("2013-10-06T09:30:00Z,IBM,1,2,1,1,1,0", "backwards"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text(HEADER + ROW + line + "\n")

    with pytest.raises(MarketDataCannotBeRead, match=rf"quotes\.csv, line 3.*{reason}"):
        list(rows_of_csv(path, tally=Tally()))
