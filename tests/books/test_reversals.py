"""Books with reversals and corrections in them: outside tools accept them, and our own checks find nothing."""

import random
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from application.commands import Command
from domain.errors import Refusal
from domain.values import quantity
from infrastructure.books.check import check_books
from infrastructure.correcting import Originals, Right
from infrastructure.postgres.connections import connect
from tests.books.story import Bookshop, wander
from tests.books.tools import Tools

WHY = "entered wrongly"


def take_back(shop: Bookshop, *, seed: int) -> int:
    """Reverse and correct executions and deposits at random; how often that could be done."""
    chance = random.Random(seed)
    originals = Originals(lambda: connect(shop.url, application="test"))
    with connect(shop.url, application="test") as connection:
        rows = connection.execute(
            "SELECT notification_id, topic FROM stored_events WHERE topic = ANY(%s) ORDER BY 1",
            (["Order.Executed", "Account.Deposited"],),
        ).fetchall()
    done = 0
    for position, topic in chance.sample(rows, len(rows) // 2):
        command: Command = originals.reversal(position, reason=WHY)
        if topic == "Order.Executed" and chance.random() < 0.5:
            was = command.execution.executed  # type: ignore[attr-defined]
            less = Right(quantity=quantity((was.quantity / 2).quantize(was.quantity)))
            command = originals.correction(position, less, reason=WHY)
        done += _done(shop, command)
    return done


def _done(shop: Bookshop, command: Command) -> bool:
    try:
        shop.do(command)
    except Refusal:
        return False
    return True


@pytest.mark.parametrize("form", ["beancount", "hledger"])
def test_outside_tools_accept_books_with_reversals(
    shop: Bookshop, tools: Tools, tmp_path: Path, form: Any
) -> None:
    accounts: list[UUID] = wander(shop, days=30, seed=11)
    assert take_back(shop, seed=3) > 5
    shop.next_day(*accounts, days=3)
    assert take_back(shop, seed=4), "after settlement too"
    shop.project()

    assert check_books(shop.url, patience=0).violation is None
    file = shop.write(tmp_path, form)

    tools.require(form, file)
    assert re.search(r"reverses: ?\"?[0-9a-f-]{36}:\d+", file.read_text("utf-8"))
