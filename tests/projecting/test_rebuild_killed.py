"""Kill -9 at any moment of a rebuild or a swap leaves every live table equal to the fold of the log."""

from tests.projecting.worked import Desk, project, work
from tests.soak.rebuild import TABLES, soak, traffic
from tests.soak.rebuild_log import lengthen


def test_rebuilds_killed_at_any_moment_leave_every_table_equal_to_the_fold(desk: Desk) -> None:
    work(desk)
    lengthen(desk.url, 2_000)
    project(desk.url)

    with traffic(desk.url):
        tally = soak(desk.url, kills=10, seed=3, names=TABLES[:2])

    assert tally.wrong == []
    assert tally.kills == 10
