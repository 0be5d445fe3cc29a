"""A log of several months, sealed, and what everybody is told about it: to be the same before and after."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from psycopg import Connection

from application import commands as c
from infrastructure.archiving.months import ArchivedMonth
from infrastructure.archiving.moving import Archiver
from infrastructure.eventstore.log import last_row, read_after
from infrastructure.past import open_history
from infrastructure.postgres.connections import connect
from infrastructure.projecting.proving import digest_of
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.reading import BEFORE_ALL, LogSource
from tests.projecting.worked import ANN, BOB, WORKED, D, Desk
from tests.sealing.parts import Examined

JANUARY = datetime(2026, 1, 10, 15, tzinfo=UTC)
AFTER_ALL = date(2027, 1, 1)


class Kept:
    """A log, its seals, and its archive."""

    def __init__(self, desk: Desk, servers: Any, owner_url: str, folder: Path) -> None:
        self.desk = desk
        self.url = desk.url
        self.owner_url = owner_url
        self.folder = folder / "archive"
        self.examined = Examined(desk, servers, folder, events=5)
        self.at = JANUARY

    def live(self, commands: Sequence[c.Command] = WORKED, *, months: int = 4) -> None:
        """Give commands over so many months, the last one in the last month."""
        for number, command in enumerate(commands):
            month = number * months // len(commands)
            self.desk.time = max(self.desk.time, JANUARY.replace(month=1 + month))
            self.desk.do(command)
        self.examined.seal()

    def archiver(self, **terms: Any) -> Archiver:
        """Who moves the months."""
        return Archiver(
            self.owner_url,
            folder=self.folder,
            seals=self.examined.file,
            trusted=read_public_keys(self.examined.public_keys),
            **terms,
        )

    def archive(self, before: date = AFTER_ALL) -> list[ArchivedMonth]:
        """Move every closed month before a day."""
        return list(self.archiver().run(before))

    def connection(self) -> Connection[Any]:
        """As the role that runs Daybook."""
        return connect(self.url, application="test")

    def owner(self) -> Connection[Any]:
        """As the role that owns the log."""
        return connect(self.owner_url, application="test")

    def hot(self) -> list[int]:
        """The log positions that are in the table."""
        with self.connection() as connection:
            sql = "SELECT notification_id FROM stored_events ORDER BY 1"
            return [row[0] for row in connection.execute(sql).fetchall()]

    def rows(self) -> list[Any]:
        """The whole log."""
        with self.connection() as connection:
            return read_after(connection, 0, limit=1_000_000)

    def told(self, accounts: Sequence[UUID] = (ANN, BOB)) -> dict[str, Any]:
        """What is answered about the past: accounts at every position and instant, orders, canonical bytes, chains."""
        with self.connection() as connection:
            end, last = last_row(connection)
        assert last is not None
        now = last + timedelta(days=1)
        found: dict[str, Any] = {"rows": self.rows()}
        found["digests"] = [digest_of(row) for row in found["rows"]]
        found["canonical"] = [one for chunk in LogSource(self.url).rows(BEFORE_ALL, end) for one in chunk]
        with open_history(self.url, lambda: now) as history:
            for account in accounts:
                for position in range(1, end + 1):
                    found[f"{account} at {position}"] = _answer(
                        lambda a=account, p=position: history.as_of_now(a, p, None, explain=True)
                    )
                for row in found["rows"][:: max(1, end // 7)]:
                    found[f"{account} at {row.recorded_at}"] = _answer(
                        lambda a=account, at=row.recorded_at: history.as_of_now(a, None, at)
                    )
                found[f"{account} changed"] = _answer(lambda a=account: history.difference(a, end // 2, end))
            for order in {row.originator_id for row in found["rows"] if row.topic.startswith("Order.")}:
                found[f"walk {order}"] = _answer(lambda o=order: history.walk(o))
        return found

    def verify(self, **terms: Any) -> Any:
        """What an examiner finds."""
        return self.examined.verify(**terms)


def _answer(ask: Any) -> bytes:
    try:
        return msgspec.json.encode(ask())
    except Exception as error:  # noqa: BLE001  a refusal is an answer too
        return repr(error).encode()


def money(account_id: UUID) -> c.Deposit:
    """A dollar, another one each time."""
    return c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=D("1.00"))
