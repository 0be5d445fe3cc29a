"""The executor role: fills orders from the quotes."""

import threading

from infrastructure.settings import Settings
from infrastructure.wiring.executor import executor


def run(settings: Settings, stop: threading.Event) -> None:
    """Execute until `stop` is set."""
    executor(settings).run(stop)
