"""The market role: publishes quotes, simulated or replayed, until it is told to stop."""

import threading

from infrastructure.market.runner import open_runner
from infrastructure.settings import Settings


def run(settings: Settings, stop: threading.Event) -> None:
    """Blocks until `stop`, or until the data end when `market_exit_at_end` is set.

    Raises SettingIsWrong, CalendarIsUnknown or MarketDataCannotBeRead, each with a sentence for the operator.
    """
    open_runner(settings, stop).run()
