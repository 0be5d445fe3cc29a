"""What the tests of the read tables need."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.projecting.worked import Desk


@pytest.fixture(autouse=True, scope="session")
def _plain_tracebacks() -> None:
    """The decorated ones of structlog's default take a second each."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()],
    )


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    """A committer on this test's database."""
    one = Desk(database.app_url)
    yield one
    one.close()
