"""A sealed log for tests, and somebody who tampers with it as superuser."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

from infrastructure.postgres.connections import connect
from infrastructure.sealing.examining import Examination
from infrastructure.sealing.files import published_lines
from infrastructure.sealing.keyring import Keyring
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.sealer import Sealer, SealTerms
from infrastructure.sealing.seals import Sealed, read_line
from infrastructure.sealing.store import SealStore
from infrastructure.sealing.verifying import Verified
from tests.projecting.worked import ANN, OWNER, D, Desk, c

TRIGGERS = ("stored_events", "seals", "seal_blocks")


class Examined:
    """A log, its sealer and its seals."""

    def __init__(self, desk: Desk, servers: Any, folder: Path, *, events: int = 10_000) -> None:
        self.desk = desk
        self.url = desk.url
        self.file = folder / "seals" / "seals.jsonl"
        self.public_keys = self.file.with_suffix(".pub")
        self.key = folder / "seals" / "seals.key"
        self.terms = SealTerms(interval=0.05, events=events)
        self._servers = servers

    def sealer(self) -> Sealer:
        """A sealer at its start."""
        keyring = Keyring(self.key, public_keys=self.public_keys, may_create=True)
        return Sealer(self.url, file=self.file, keyring=keyring, terms=self.terms)

    def seal(self) -> int:
        """Seal everything; the number of the last seal."""
        return self.sealer().catch_up()

    def lengthen(self, events: int) -> None:
        """So many more events: an account that is opened once, and deposits."""
        end = self.end() + events
        if not self.end():
            self.desk.do(c.OpenAccount(account_id=ANN, owner_id=OWNER))
        self.desk.all_at_once([_deposit() for _ in range(end - self.end())])

    def end(self) -> int:
        """Where the log ends."""
        with connect(self.url, application="test") as connection:
            row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM stored_events").fetchone()
        return int(row[0]) if row else 0

    def seals(self) -> list[Sealed]:
        """The published seals, unchecked."""
        return [read_line(line, number=n) for n, line in enumerate(published_lines(self.file), 1)]

    def verify(self, file: Path | None = None, **terms: Any) -> Verified:
        """What an examiner finds, with the sealer's own file or a copy."""
        trusted = read_public_keys(self.public_keys)
        examination = Examination(trusted=trusted, is_own_file=file is None, **terms)
        return examination.run(self.url, published_lines(file or self.file))

    def superuser(self) -> psycopg.Connection[Any]:
        """Somebody who may do everything."""
        database = conninfo_to_dict(self.url)["dbname"]
        return connect(self._servers.postgres.url(user="postgres", database=database), application="tamper")

    @contextmanager
    def tampering(self) -> Iterator[psycopg.Connection[Any]]:
        """A superuser with the triggers off, who puts them back afterwards."""
        with self.superuser() as connection, connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            self._switch(connection, "DISABLE TRIGGER ALL")
            yield connection
            self._switch(connection, "ENABLE TRIGGER ALL")
            for table in TRIGGERS:
                for name in (f"{table}_are_for_ever", f"{table}_are_not_truncated"):
                    connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}".encode())

    def tamper(self, *statements: str) -> None:
        """Do this with the triggers off."""
        with self.tampering() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @staticmethod
    def _switch(connection: psycopg.Connection[Any], how: str) -> None:
        for table in TRIGGERS:
            connection.execute(f"ALTER TABLE {table} {how}".encode())


def wrong(found: Verified) -> Sequence[tuple[str, str]]:
    """Where something is wrong, and what."""
    return [(finding.where, finding.sentence) for finding in found.findings]


def _deposit() -> c.Deposit:
    return c.Deposit(account_id=ANN, transfer_id=uuid4(), amount=D("1.00"))


@contextmanager
def sealing(sealer: Any) -> Iterator[None]:
    """A sealer at work in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=sealer.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def until(met: Any, seconds: float = 60) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def standing(examined: Examined) -> Any:
    """How far sealing has come."""
    with connect(examined.url, application="test") as connection:
        return SealStore(connection).standing()
