"""What surveillance looks for in the log. Pure: the same log and thresholds give the same alerts, whenever they are read."""

from application.surveillance.facts import KINDS_WATCHED, Seen
from application.surveillance.thresholds import Thresholds
from application.surveillance.watch import Watch

__all__ = ["KINDS_WATCHED", "Seen", "Thresholds", "Watch"]
