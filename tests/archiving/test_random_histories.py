"""Any history, archived up to any month, then up to any later one: nobody is told anything else than before."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from application import commands as c
from infrastructure.archiving.moving import closed_months
from infrastructure.books.check import check_books
from infrastructure.books.exporting import export
from infrastructure.books.scope import Wanted
from infrastructure.projecting.operating import rebuild_all
from infrastructure.projecting.verifying import verify as verify_projections
from projections.catalogue import PROJECTIONS
from tests.archiving.parts import Kept
from tests.books.test_random_days import Days
from tests.ledger.world import World
from tests.projecting.worked import Desk, tables
from tests.sealing.parts import wrong

SOME_DAYS_S = 2 * 24 * 3600


class Months(Days):
    """The same, with days between two commands."""

    def give(self, command: c.Command, **others: Any) -> Any:
        answer = super().give(command, **others)
        self.world.pass_time(SOME_DAYS_S)
        return answer


@pytest.mark.parametrize("number", [1, 2, 3])
def test_any_history_archived_at_any_point_is_told_as_before(
    database: Any, servers: Any, tmp_path: Path, number: int
) -> None:
    world, desk = World(database.app_url), Desk(database.app_url)
    try:
        live(world, number)
        kept = Kept(desk, servers, database.owner_url, tmp_path)
        kept.examined.seal()
        chance = random.Random(number)
        questions = some_questions(world, chance)
        before = told(world, questions)

        for month in points(kept, chance):
            assert kept.archive(month)
            assert told(world, questions) == before
            assert wrong(kept.verify()) == []
        assert rebuilt(world) == (True, before["tables"])
    finally:
        desk.close()
        world.close()


def live(world: World, number: int) -> None:
    """A random history over many months."""
    chosen = settings(
        deadline=None,
        suppress_health_check=list(HealthCheck),
        max_examples=4,
        stateful_step_count=40,
        phases=[Phase.generate],
        database=None,
    )
    machine = type("Months", (Months,), {"world": world})
    run_state_machine_as_test(seed(number)(machine), settings=chosen)
    world.pass_time(40 * 24 * 3600)
    world.look()
    world.project(2000)


def points(kept: Kept, chance: random.Random) -> list[date]:
    """One or two months up to which is archived, in order."""
    with kept.owner() as connection:
        months = closed_months(connection, date(2100, 1, 1))
    assert len(months) > 2, "the history is too short"
    some = sorted(chance.sample(range(1, len(months)), k=2))
    return [months[n].month for n in some]


def some_questions(world: World, chance: random.Random) -> list[tuple[Any, int]]:
    accounts = sorted({fact.event.account_id for fact in world.facts})
    return [(chance.choice(accounts), chance.randrange(1, len(world.facts) + 1)) for _ in range(40)]


def told(world: World, questions: list[tuple[Any, int]]) -> dict[str, Any]:
    """Accounts as of positions and moments, an export, the check of the books, the proofs of the tables."""
    found: dict[str, Any] = {"tables": tables(world.url)}
    for account, position in questions:
        found[f"{account} {position}"] = answered(lambda a=account, p=position: world.as_of(a, p, None))
        at = world.facts[position - 1].event.recorded_at
        found[f"{account} {at}"] = answered(lambda a=account, t=at: world.as_of(a, None, t))
    known = world.facts[len(world.facts) // 2].event.recorded_at
    for name, wanted in (
        ("all", Wanted()),
        ("then", Wanted(known_at=known)),
        ("one", Wanted(account_id=questions[0][0])),
    ):
        found[f"books {name}"] = answered(
            lambda w=wanted: b"".join(export(world.url, "beancount", w, now=world.now))
        )
    checked = check_books(world.url)
    found["check"] = (checked.violation, checked.tables_at)
    found["proofs"] = [
        (one.name, one.is_right, one.is_complete)
        for one in verify_projections(world.url, PROJECTIONS, rows=True)
    ]
    return found


def rebuilt(world: World) -> tuple[bool, dict[str, list[str]]]:
    done = rebuild_all(world.url, [])
    equal = all(one.compared and not one.differences and not one.failure for one in done)
    return equal, tables(world.url)


def answered(ask: Any) -> bytes:
    try:
        answer: bytes = ask()
    except Exception as error:  # noqa: BLE001  a refusal is an answer too
        return repr(error).encode()
    return answer
