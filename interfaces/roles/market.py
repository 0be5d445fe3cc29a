"""The market role: publishes quotes, simulated or replayed, until it is told to stop."""

import threading

from infrastructure.market.runner import open_runner
from infrastructure.settings import Settings
from infrastructure.wiring.market import market_turn


def run(settings: Settings, stop: threading.Event) -> None:
    """Blocks until `stop`, or until the data end when `market_exit_at_end` is set.

    A second market on the same Redis waits until the first has ended. Raises SettingIsWrong,
    CalendarIsUnknown or MarketDataCannotBeRead, each with a sentence for the operator.
    """
    open_runner(settings, stop)  # what cannot be run is refused before it waits for its turn
    turn = market_turn(settings)
    if turn.wait(stop):
        keeper = turn.keep(stop)
        open_runner(settings, stop).run()
        stop.set()
        keeper.join(timeout=2)
    turn.give_up()
