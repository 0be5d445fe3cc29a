"""The tables of cases and blocks, built again from the log, are what they were."""

from collections.abc import Iterator

import pytest

from infrastructure.projecting.operating import rebuild_all
from infrastructure.settings import Settings
from tests.projecting.further import DEE, live_on
from tests.projecting.worked import Desk, project, table, work


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    found = Desk(settings.database_url or "")
    yield found
    found.close()


def test_a_rebuild_of_cases_and_blocks_is_equal(desk: Desk) -> None:
    work(desk)
    live_on(desk)
    project(desk.url)
    before = table(desk.url, "cases"), table(desk.url, "blocks")

    results = rebuild_all(desk.url, ["cases", "blocks"])

    said = sorted((one.projection, one.compared, one.differences) for one in results)
    assert said == [("blocks", True, 0), ("cases", True, 0)]
    assert (table(desk.url, "cases"), table(desk.url, "blocks")) == before
    assert [len(rows) for rows in before] == [2, 1]
    assert str(DEE) in before[1][0]
