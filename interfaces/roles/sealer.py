"""The sealer role: seals the log and publishes the seals."""

import os
import threading

from infrastructure.settings import Settings
from infrastructure.wiring.sealer import sealer

NICENESS = 10  # a seal that is a moment later harms nobody; an order that is does


def run(settings: Settings, stop: threading.Event) -> None:
    """Seal until `stop` is set."""
    os.nice(NICENESS)
    sealer(settings).run(stop)
