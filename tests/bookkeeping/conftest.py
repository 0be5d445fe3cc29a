"""The parts that the tests of the day's work use."""

from collections.abc import Callable, Iterator

import pytest
from msgspec import structs

from infrastructure.settings import Settings
from infrastructure.wiring.projector import RunningProjector, projector
from tests.bookkeeping.firm import Firm
from tests.executing.parts import Customers, InThread, SetClock, start_executor


@pytest.fixture
def on_market_time(settings: Settings) -> Settings:
    """Settings that stamp facts with the market's time, over New York's calendar."""
    return structs.replace(settings, clock="market", calendar="XNYS")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def customers(on_market_time: Settings, clock: SetClock) -> Iterator[Customers]:
    found = Customers(on_market_time, clock)
    yield found
    found.close()


@pytest.fixture
def projecting(on_market_time: Settings) -> Iterator[RunningProjector]:
    running = projector(on_market_time).start()
    yield running
    running.stop()


@pytest.fixture
def firm(on_market_time: Settings, customers: Customers, projecting: RunningProjector) -> Iterator[Firm]:
    found = Firm(on_market_time, customers)
    yield found
    found.close()


@pytest.fixture
def execute(on_market_time: Settings) -> Iterator[Callable[[], InThread]]:
    """Start an executor in a thread; all are stopped at the end, and one that died fails the test."""
    started: list[InThread] = []

    def start() -> InThread:
        started.append(start_executor(on_market_time))
        return started[-1]

    yield start
    for each in started:
        each.end()
