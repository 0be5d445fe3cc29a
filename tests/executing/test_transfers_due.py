"""The scheduler asks the bank what has become of transfers: each moves its money once, whatever crashes."""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from application import commands as c
from application.errors import LogMustBeWritable
from application.funding import SentTransfer
from application.requests import Request
from domain.account import Account
from domain.transfer import Direction, Transfer, TransferStatus
from infrastructure.eventstore.committer import Committer
from infrastructure.funding.due import TransfersDue
from infrastructure.funding.simulated_ach import SimulatedAch
from infrastructure.projecting.runner import Projector
from infrastructure.settings import Settings
from infrastructure.wiring.deciding import committer_settings
from projections.catalogue import PROJECTIONS
from tests.executing.parts import MONDAY, Log, SetClock

DELAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


class Funded:
    """Customers whose transfers go through the simulated bank."""

    def __init__(self, settings: Settings, clock: SetClock) -> None:
        self.settings = structs.replace(settings, funding="ach", funding_delay=DELAY.total_seconds())
        self.clock, self.url = clock, settings.database_url or ""
        self.committer = Committer(self.url, clock=clock, settings=committer_settings(self.settings)).start()
        self.due = TransfersDue(self.url, committer=self.committer, clock=clock, bank=SimulatedAch())
        self.account_id = uuid4()
        self.give(c.OpenAccount(account_id=self.account_id, owner_id=uuid4()))

    def give(self, command: c.Command) -> None:
        self.committer.submit(Request.by_role("customer", command)).result(60)

    def ask(self, kind: Any, amount: str) -> UUID:
        transfer_id = uuid4()
        self.give(kind(account_id=self.account_id, transfer_id=transfer_id, amount=Decimal(amount)))
        return transfer_id

    def project(self) -> None:
        import threading

        Projector(self.url, PROJECTIONS, wake=threading.Event()).catch_up()

    def run(self) -> int:
        self.project()
        return self.due.run()

    def after(self, time: timedelta) -> int:
        self.clock.time += time
        return self.run()

    @property
    def account(self) -> Account:
        return Log.read(self.settings).account(self.account_id)

    def transfer(self, transfer_id: UUID) -> Transfer:
        found = Log.read(self.settings).aggregates[transfer_id]
        assert isinstance(found, Transfer)
        return found


@pytest.fixture
def funded(on_market_time: Settings, clock: SetClock) -> Iterator[Funded]:
    found = Funded(on_market_time, clock)
    yield found
    found.committer.stop()


def test_a_transfer_is_completed_when_its_time_has_come_and_not_before(funded: Funded) -> None:
    deposit = funded.ask(c.Deposit, "100.00")

    assert (funded.run(), funded.after(DELAY - SECOND)) == (0, 0)
    assert funded.account.cash == 0
    assert funded.after(SECOND) == 1

    assert funded.account.cash == 100
    assert funded.transfer(deposit).status is TransferStatus.COMPLETED
    assert funded.run() == 0


def test_the_cents_of_an_amount_decide_what_becomes_of_it(funded: Funded) -> None:
    funded.ask(c.Deposit, "1000.00")
    funded.after(DELAY)
    transfers = {
        cents: funded.ask(kind, f"10.{cents}")
        for cents, kind in [("91", c.Deposit), ("92", c.Withdraw), ("96", c.Withdraw), ("97", c.Deposit)]
    }

    assert funded.after(DELAY) == 4
    half_way = {cents: str(funded.transfer(one).status) for cents, one in transfers.items()}
    assert (funded.after(DELAY - SECOND), funded.after(SECOND)) == (0, 2)

    assert half_way == {"91": "failed", "92": "failed", "96": "completed", "97": "completed"}
    found = {
        cents: (funded.transfer(one).status, funded.transfer(one).reason) for cents, one in transfers.items()
    }
    assert found == {
        "91": ("failed", "insufficient_funds"),
        "92": ("failed", "account_closed"),
        "96": ("returned", "insufficient_funds"),
        "97": ("returned", "not_authorized"),
    }
    assert (funded.account.cash, funded.account.withdrawing, funded.account.owed) == (1000, 0, 0)
    assert funded.account.status == "suspended"


def test_what_the_table_does_not_show_yet_is_told_twice_and_happens_once(funded: Funded) -> None:
    funded.ask(c.Deposit, "100.00")
    funded.after(DELAY)

    assert funded.due.run() == 1, "the table was not brought up in between"

    assert funded.account.cash == 100


class Fragile:
    """A committer that is cut off: before it takes a command in, or after it has answered nobody."""

    def __init__(self, committer: Committer, *, after: int, is_stored: bool) -> None:
        self.committer, self.left, self.is_stored = committer, after, is_stored

    def submit(self, request: Request) -> "Future[Any]":
        self.left -= 1
        if self.left >= 0:
            return self.committer.submit(request)
        if self.is_stored:
            self.committer.submit(request).result(60)
        raise LogMustBeWritable("cut off")


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_job_that_was_cut_off_is_finished_by_the_next(funded: Funded, after: int, is_stored: bool) -> None:
    funded.ask(c.Deposit, "500.00")
    funded.after(DELAY)
    for amount in ("1.00", "2.00", "3.91", "4.97"):
        funded.ask(c.Deposit, amount)
        funded.ask(c.Withdraw, amount)
    funded.clock.time += DELAY
    funded.project()
    fragile: Any = Fragile(funded.committer, after=after, is_stored=is_stored)
    with pytest.raises(LogMustBeWritable):
        TransfersDue(funded.url, committer=fragile, clock=funded.clock, bank=SimulatedAch()).run()

    funded.run()
    funded.after(DELAY)

    assert (funded.account.cash, funded.account.withdrawing, funded.account.owed) == (500, 0, 0)
    events = [row.topic.partition(".")[2] for row in Log.read(funded.settings).rows]
    assert events.count("Deposited") == 1 + 3
    assert events.count("Withdrawn") == 3
    assert events.count("Returned") == 2
    assert events.count("Failed") == 2


def test_the_bank_says_the_same_however_often_it_is_asked() -> None:
    bank = SimulatedAch()
    for cents in range(100):
        transfer = SentTransfer(
            transfer_id=uuid4(),
            account_id=uuid4(),
            direction=Direction.DEPOSIT,
            amount=Decimal(500 + cents) / 100,
            initiated_at=MONDAY,
            due_at=MONDAY + DELAY,
        )
        later = structs.replace(transfer, completed_at=MONDAY + DELAY + SECOND)

        assert bank.news(transfer, now=MONDAY + DELAY - SECOND) is None
        done = {bank.news(transfer, now=MONDAY + DELAY * days).status for days in range(1, 5)}  # type: ignore[union-attr]
        assert done == {TransferStatus.FAILED if cents in (91, 92) else TransferStatus.COMPLETED}
        assert bank.news(later, now=MONDAY + DELAY * 2) is None
        back = bank.news(later, now=MONDAY + DELAY * 2 + SECOND)
        assert (back is not None) == (cents in bank.return_cents())
