"""A thousand days of any commands of any customers: both tools accept the books, and every rule holds after each."""

import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from application import commands as c
from infrastructure.books.check import check_books
from infrastructure.books.exporting import Format, export
from infrastructure.books.scope import Wanted
from tests.books.tools import Tools
from tests.ledger.test_whole_ledger import WholeLedger
from tests.ledger.world import LARGE, World

DAYS = 1_000
EXAMPLES = 70
A_WHILE_S = 20 * 3600


class Days(WholeLedger):
    """The machine of tests/ledger on whose days a few commands are given; it asks nothing, we ask the tools."""

    def give(self, command: c.Command, **others: Any) -> Any:
        answer = super().give(command, **others)
        self.world.pass_time(A_WHILE_S)
        return answer

    def teardown(self) -> None:
        pass


for _name in dir(WholeLedger):
    _member = getattr(WholeLedger, _name)
    if hasattr(_member, "hypothesis_stateful_invariant") or _name.startswith(("ask_", "compare_", "rebuild")):
        setattr(Days, _name, None)


def test_both_tools_accept_a_thousand_random_days(database: Any, tools: Tools, tmp_path: Path) -> None:
    world = World(database.app_url)
    try:
        machine = type("Days", (Days,), {"world": world})
        chosen = settings(
            deadline=None,
            suppress_health_check=list(HealthCheck),
            max_examples=EXAMPLES,
            stateful_step_count=50,
            phases=[Phase.generate],
        )
        run_state_machine_as_test(machine, settings=chosen)
        world.look()
        world.project(LARGE)

        for form in ("beancount", "hledger"):
            file = written(world, form, tmp_path)  # type: ignore[arg-type]
            assert days_in(file) >= DAYS
            tools.require(form, file)
        found = check_books(world.url)
        assert found.violation is None, str(found.violation)
        assert found.tables_at == len(world.facts)
    finally:
        world.close()


def written(world: World, form: Format, folder: Path) -> Path:
    file = folder / f"books.{form}"
    with file.open("wb") as out:
        for part in export(world.url, form, Wanted(), now=world.now):
            out.write(part)
    return file


def days_in(file: Path) -> int:
    """On so many days something was booked."""
    return len(set(re.findall(r"^(\d{4}-\d\d-\d\d) \* ", file.read_text(), re.MULTILINE)))
