"""The scheduler role: what is due at a time of the market's day."""

import threading

from infrastructure.settings import Settings
from infrastructure.wiring.scheduler import run_scheduler


def run(settings: Settings, stop: threading.Event) -> None:
    """Do what is due until `stop` is set."""
    run_scheduler(settings, stop)
