"""What the tests of the running market need."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from tests.market.running import Listener
from tests.market.samples import HEADER


@pytest.fixture
def listener(redis_url: str) -> Iterator[Listener]:
    found = Listener(redis_url)
    yield found
    found.subscription.close()


@pytest.fixture
def replay_of(redis_url: str, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a replay of rows at these moments, which ends with its data."""

    def settings(*moments: datetime, speed: str = "max", calendar: str = "XNYS") -> Settings:
        path = tmp_path / "quotes.csv"
        rows = [f"{at.isoformat()},IBM,1.00,1.02,100,100,1.01,{n}\n" for n, at in enumerate(moments)]
        path.write_text(HEADER + "".join(rows))
        return Settings(
            redis_url=redis_url,
            data_dir=tmp_path / "data",
            market_source="replay",
            market_path=(str(path),),
            market_speed=speed,
            market_exit_at_end=True,
            calendar=calendar,
        )

    return settings
