"""A log with something in it and a place for its archive."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archiving.parts import Kept
from tests.projecting.worked import Desk


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    """A committer on this test's database."""
    one = Desk(database.app_url)
    yield one
    one.close()


@pytest.fixture
def kept(desk: Desk, database: Any, servers: Any, tmp_path: Path) -> Kept:
    """An empty log."""
    from tests.archiving.parts import JANUARY

    desk.time = JANUARY
    return Kept(desk, servers, database.owner_url, tmp_path)
