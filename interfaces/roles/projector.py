"""The projector role: keeps every read table up to the log."""

import threading

from infrastructure.settings import Settings
from infrastructure.wiring.projector import projector


def run(settings: Settings, stop: threading.Event) -> None:
    """Project until `stop` is set."""
    projector(settings).run(stop)
