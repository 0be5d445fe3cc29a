"""All detectors together. What they remember is plain data, so that it can be put down and taken up again."""

from datetime import date
from uuid import UUID

from msgspec import Struct, field

from application.surveillance.ahead import TradingAhead
from application.surveillance.cancels import RapidCancels
from application.surveillance.dormant import DormantAwakening
from application.surveillance.facts import Seen
from application.surveillance.thresholds import Thresholds
from application.surveillance.wash import WashTrading
from domain.case import Alert


class Watch(Struct, kw_only=True):
    """Looks at one event after the other, in the order of the log, and raises each alert once a day."""

    wash: WashTrading = field(default_factory=WashTrading)
    cancels: RapidCancels = field(default_factory=RapidCancels)
    ahead: TradingAhead = field(default_factory=TradingAhead)
    dormant: DormantAwakening = field(default_factory=DormantAwakening)
    day: date | None = None
    raised: set[UUID] = set()  # the cases of the day

    def take_in(self, seen: Seen, thresholds: Thresholds) -> list[Alert]:
        """Look at the next event. Returns what it makes known."""
        if seen.day != self.day:
            self.day, self.raised = seen.day, set()
        found = []
        for detector in (self.wash, self.cancels, self.ahead, self.dormant):
            for alert in detector.take_in(seen, thresholds):
                if alert.case_id not in self.raised:
                    self.raised.add(alert.case_id)
                    found.append(alert)
        return found
