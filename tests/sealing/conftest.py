"""A log with something in it, a sealer, and an examiner who looks at both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.projecting.worked import Desk
from tests.sealing.parts import Examined


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    """A committer on this test's database."""
    one = Desk(database.app_url)
    yield one
    one.close()


@pytest.fixture
def examined(desk: Desk, servers: Any, tmp_path: Path) -> Examined:
    """A log of which eight seals were written, of five events each but the last."""
    found = Examined(desk, servers, tmp_path, events=5)
    found.lengthen(38)
    found.seal()
    return found
