"""The surveillance role: looks for what must not be, and opens a case for each alert."""

import os
import threading

from infrastructure.settings import Settings
from infrastructure.surveillance.running import run_surveillance

NICENESS = 10  # an alert that is a moment later harms nobody; an order that is does


def run(settings: Settings, stop: threading.Event) -> None:
    """Follow the log until `stop` is set."""
    os.nice(NICENESS)
    run_surveillance(settings, stop)
