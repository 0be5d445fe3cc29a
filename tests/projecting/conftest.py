"""What the tests of the read tables need."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.projecting.worked import Desk


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    """A committer on this test's database."""
    one = Desk(database.app_url)
    yield one
    one.close()
