"""Legal holds refuse disposal and erasure, and nothing goes before its years are over."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.corporate import AnnounceDividend
from application.errors import ArchiveMustBeReadable
from domain.errors import AccountMustExist
from infrastructure.archiving import holds
from infrastructure.archiving.disposing import Disposal, years_before
from infrastructure.archiving.holds import LegalHoldMustBeLifted, LegalHoldMustBePlaced
from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.privacy.obstacles import OBSTACLES, Person
from tests.archiving.parts import Kept
from tests.projecting.worked import ANN, BOB, OWNER, D, c
from tests.sealing.parts import wrong

LATER = datetime(2032, 12, 31, tzinfo=UTC)
WHO = {"reason": "case 7", "actor": "someone"}


def live_and_close(kept: Kept) -> None:
    """One customer's account, opened in January and closed in February; another month follows."""
    kept.live(
        (
            c.OpenAccount(account_id=BOB, owner_id=OWNER),
            c.SuspendAccount(account_id=BOB, reason="a question"),
            c.ReinstateAccount(account_id=BOB, reason="answered"),
            c.CloseAccount(account_id=BOB),
            c.OpenAccount(account_id=ANN, owner_id=OWNER),
            c.SuspendAccount(account_id=ANN, reason="another"),
        ),
        months=3,
    )
    kept.archive()


def disposal(kept: Kept, now: datetime = LATER) -> Disposal:
    return Disposal(kept.owner_url, years=6, now=lambda: now)


def test_what_is_over_is_destroyed_and_says_so(kept: Kept) -> None:
    live_and_close(kept)

    gone = list(disposal(kept).run(reason="years are over", actor="records"))

    assert [f"{one.month:%Y-%m}" for one in gone] == ["2026-01", "2026-02"]
    assert not any(one.path.exists() or one.seals_path.exists() for one in gone)
    with pytest.raises(ArchiveMustBeReadable, match="destroyed"):
        kept.rows()
    found = kept.verify()
    assert wrong(found) == []
    assert any("destroyed after their years" in note for note in found.notes)


@pytest.mark.parametrize("now", [datetime(2032, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)])
def test_nothing_goes_before_its_years_are_over(kept: Kept, now: datetime) -> None:
    live_and_close(kept)

    assert list(disposal(kept, now).run(reason="too early", actor="records")) == []


def test_what_open_accounts_did_is_kept(kept: Kept) -> None:
    kept.live()  # Ann's account is never closed
    kept.archive()

    assert list(disposal(kept).run(reason="years are over", actor="records")) == []


def test_what_the_firm_goes_by_is_kept(kept: Kept) -> None:
    days = {"ex_date": date(2026, 9, 1), "record_date": date(2026, 9, 1), "pay_date": date(2026, 9, 2)}
    announced = AnnounceDividend(action_id=uuid4(), symbol="IBM", rate=D("0.5"), **days)
    kept.live(
        (c.OpenAccount(account_id=BOB, owner_id=OWNER), announced, c.CloseAccount(account_id=BOB)), months=3
    )
    kept.archive()

    gone = list(disposal(kept).run(reason="years are over", actor="records"))

    assert [f"{one.month:%Y-%m}" for one in gone] == ["2026-01"]
    with kept.connection() as connection:
        assert len(Accounts(connection).corporate_actions()) == 1
        assert Accounts(connection).first_opened() is not None


@pytest.mark.parametrize("whom", [BOB, None])
def test_a_hold_refuses_disposal_until_it_is_lifted(kept: Kept, whom: Any) -> None:
    live_and_close(kept)
    with kept.connection() as connection:
        holds.place(connection, whom, **WHO)
        holds.place(connection, whom, **WHO)
        holds.lift(connection, whom, **WHO)  # the other one stands

    with pytest.raises(LegalHoldMustBeLifted):
        list(disposal(kept).run(reason="years are over", actor="records"))
    with kept.owner() as owner, pytest.raises(psycopg.errors.CheckViolation, match="legal hold"):
        owner.execute("INSERT INTO archive_disposals (archive, reason, actor) VALUES (1, 'x', 'x')")
    kept.rows()

    with kept.connection() as connection:
        holds.lift(connection, whom, **WHO)
    assert len(list(disposal(kept).run(reason="years are over", actor="records"))) == 2


def test_a_hold_over_somebody_else_is_no_obstacle(kept: Kept) -> None:
    live_and_close(kept)
    with kept.connection() as connection:
        holds.place(connection, ANN, **WHO)

    assert len(list(disposal(kept).run(reason="years are over", actor="records"))) >= 1


async def _ask(url: str, account_id: Any) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for obstacle in OBSTACLES:
            await obstacle(
                connection, Person(user_id=uuid4(), account_id=account_id, kept_years=0, final_days=60)
            )


@pytest.mark.parametrize("whom", [BOB, None])
def test_a_hold_refuses_an_erasure(kept: Kept, whom: Any) -> None:
    live_and_close(kept)  # and the closing is in the archive
    asyncio.run(_ask(kept.url, BOB))
    with kept.connection() as connection:
        holds.place(connection, whom, **WHO)

    with pytest.raises(LegalHoldMustBeLifted, match="case 7"):
        asyncio.run(_ask(kept.url, BOB))

    with kept.connection() as connection:
        holds.lift(connection, whom, **WHO)
    asyncio.run(_ask(kept.url, BOB))


def test_holds_are_recorded_for_ever_and_lifted_only_when_placed(kept: Kept) -> None:
    live_and_close(kept)
    with kept.connection() as connection:
        with pytest.raises(LegalHoldMustBePlaced):
            holds.lift(connection, BOB, **WHO)
        with pytest.raises(AccountMustExist):
            holds.place(connection, uuid4(), **WHO)
        holds.place(connection, BOB, **WHO)
        holds.lift(connection, BOB, **WHO)

        assert [(one.act, one.account_id) for one in holds.holds(connection)] == [
            ("placed", BOB),
            ("lifted", BOB),
        ]
        assert holds.standing(holds.holds(connection)) == {}


def test_years_are_counted_by_the_calendar() -> None:
    assert years_before(datetime(2032, 2, 29, tzinfo=UTC), 6) == datetime(2026, 2, 28, tzinfo=UTC)


def test_the_owner_of_what_was_destroyed_can_be_erased(kept: Kept) -> None:
    live_and_close(kept)
    list(disposal(kept).run(reason="years are over", actor="records"))

    asyncio.run(_ask(kept.url, BOB))
