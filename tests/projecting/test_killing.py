"""Projectors that die: another takes over, and nothing is lost or doubled."""

import signal
from typing import Any

import pytest

from tests.soak.live import failover, soak


def test_ten_kills_in_the_middle_of_everything_leave_every_table_equal_to_the_fold(database: Any) -> None:
    found = soak(database.app_url, kills=10, partitions=3, seed=7)

    assert found.wrong == []
    assert found.events > 2000
    assert found.kills_in_a_batch > 0


@pytest.mark.parametrize("hit", [signal.SIGKILL, signal.SIGSTOP])
def test_another_projector_takes_over_within_five_seconds(database: Any, hit: signal.Signals) -> None:
    assert failover(database.app_url, hit) < 5
