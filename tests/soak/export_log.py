"""A long log of trades in little time: one customer's trades, through the real committer, made by as many as are needed.

Customers take turns command by command, so that times never run backwards and a command's events stay together.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace

from infrastructure.eventstore.log import APPEND, last_row, read_after
from infrastructure.postgres import arrays
from infrastructure.postgres.connections import connect
from infrastructure.projecting.runner import Projector
from projections.catalogue import BY_NAME
from tests.books.story import Bookshop
from tests.soak.rebuild_log import Line, _line

TRADES_EACH = 40
CHUNK = 20_000
_DAY = re.compile(rb"\d{4}-\d\d-\d\d")

Event = tuple[Line, dict[UUID, UUID]]


def trades(url: str, count: int) -> int:
    """Fill an empty log with at least so many trades, and project what an export reads. Returns its last position."""
    shop = Bookshop(url)
    account_id = shop.opened("1000000.00")
    for number in range(TRADES_EACH // 2):
        shop.trade(account_id, "buy", ("AAPL", "BRK.B")[number % 2], "10", "100.01")
        if number % 4 == 3:
            shop.next_day(account_id)
        shop.trade(account_id, "sell", ("AAPL", "BRK.B")[number % 2], "7.5", "101.5")
    shop.close()
    with connect(url, application="long log") as connection:
        lines = [_line(row) for row in read_after(connection, 0, limit=10_000)]
        commands = [list(some) for _, some in groupby(lines, key=lambda line: bytes(line.row.metadata))]
        customers = max(0, -(-count // TRADES_EACH) - 1)
        end = last_row(connection)[0]
        for chunk in _chunks(_lived(commands, customers, lines)):
            end = _append(connection, chunk, end)
        connection.execute("ANALYZE stored_events")
    project(url)
    return end


def project(url: str) -> None:
    """Bring up what an export reads, in batches that are folded within IDLE_LIMIT_MS on a busy machine, too."""
    three = [BY_NAME[name] for name in ("journal", "balances", "positions")]
    Projector(url, three, wake=threading.Event(), batch=1000).catch_up()


def _lived(commands: Sequence[Sequence[Line]], customers: int, lines: Sequence[Line]) -> Iterator[Event]:
    known = {found for line in lines for found in (*line.ids, line.row.originator_id)}
    everyone = [{found: uuid4() for found in known} for _ in range(customers)]
    by = (lines[-1].row.recorded_at.date() - lines[0].row.recorded_at.date()).days + 1
    later = [[_later(line, by) for line in command] for command in commands]
    return ((line, ids) for command in later for ids in everyone for line in command)


def _later(line: Line, days: int) -> Line:
    """The same so many days later, with every day it names."""

    def moved(found: re.Match[bytes]) -> bytes:
        return (date.fromisoformat(found.group().decode()) + timedelta(days=days)).isoformat().encode()

    row = replace(line.row, recorded_at=line.row.recorded_at + timedelta(days=days))
    return Line(row, [_DAY.sub(moved, text) for text in line.texts], line.ids)


def _chunks(events: Iterator[Event]) -> Iterator[list[Event]]:
    chunk: list[Event] = []
    for event in events:
        chunk.append(event)
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _append(connection: Any, events: Sequence[Event], end: int) -> int:
    columns = (
        arrays.int8s(range(end + 1, end + 1 + len(events))),
        arrays.uuids([ids[line.row.originator_id] for line, ids in events]),
        arrays.int8s([line.row.originator_version for line, _ in events]),
        arrays.texts([line.row.topic.encode() for line, _ in events]),
        arrays.byteas([line.state(ids) for line, ids in events]),
        arrays.uuids([ids[line.row.account_id] for line, ids in events]),
        arrays.times([line.row.recorded_at for line, _ in events]),
        arrays.texts([line.row.metadata for line, _ in events]),
    )
    connection.execute(APPEND, columns)
    return end + len(events)
