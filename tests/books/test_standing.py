"""An account as it stood, as a file: bean-check takes it, and it comes to what the journal comes to."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from application.history import AccountAsOf
from domain.journal import Book, postings
from infrastructure.books.beancount import named
from infrastructure.books.standing import as_beancount
from infrastructure.past import open_history
from tests.books.story import Two
from tests.books.tools import Tools


@pytest.fixture
def two(database: Any) -> Iterator[Two]:
    shop = Two(database.app_url).live()
    yield shop
    shop.close()


def stood(two: Two, log_position: int) -> AccountAsOf:
    with open_history(two.url, lambda: datetime.now(UTC)) as history:
        return history.as_of_now(two.ann, log_position, None)


def journal_of(two: Two, log_position: int) -> dict[tuple[str, str], Decimal]:
    """What the customer's book comes to, without income and equity: the same by adding up postings."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fact in two.facts():
        if fact.log_position <= log_position and fact.event.account_id == two.ann:
            for line in postings(fact.event):
                if line.book is Book.CUSTOMER and line.account.startswith(("Assets", "Liabilities")):
                    sums[line.account, named(line.commodity)] += line.amount
    return {key: amount for key, amount in sums.items() if amount}


def balances_in(file: str) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for words in (line.split() for line in file.splitlines() if line.startswith("  ")):
        if not words[0].startswith("Equity"):
            sums[words[0], words[2]] += Decimal(words[1])
    return dict(sums)


def test_the_file_has_the_journals_balances_and_the_tool_takes_it(
    two: Two, tools: Tools, tmp_path: Path
) -> None:
    positions = [fact.log_position for fact in two.facts() if fact.event.account_id == two.ann]
    for log_position in (*positions[3::9], positions[-1]):
        path = tmp_path / f"{log_position}.beancount"
        path.write_text(as_beancount(stood(two, log_position)))
        tools.require("beancount", path)

    assert balances_in(as_beancount(stood(two, positions[-1]))) == journal_of(two, positions[-1])
