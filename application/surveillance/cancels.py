"""Rapid order and cancel: many orders taken back within seconds, and hardly any that were meant (spoofing, layering)."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from application.surveillance.facts import Seen
from application.surveillance.thresholds import Thresholds
from domain.case import Alert, AlertKind, Evidence, Severity
from domain.order import Order

BY_THE_CUSTOMER = "requested"
"""The reason of a cancel that was asked for; others are the market's doing."""


class Moment(Struct, frozen=True, kw_only=True, gc=False):
    """An order was cancelled, or filled in whole or in part."""

    at: datetime
    log_position: int
    order_id: UUID
    is_cancel: bool


class Window(Struct, kw_only=True):
    """What an account's orders came to lately, oldest first; and how often each of them is in it."""

    moments: list[Moment] = []
    cancels: int = 0
    orders: dict[UUID, int] = {}
    filled: dict[UUID, int] = {}

    def add(self, moment: Moment) -> None:
        """Take in the newest."""
        self.moments.append(moment)
        self._count(moment, 1)

    def forget_before(self, at: datetime) -> None:
        """Leave out what was earlier."""
        old = 0
        while old < len(self.moments) and self.moments[old].at < at:
            self._count(self.moments[old], -1)
            old += 1
        del self.moments[:old]

    def _count(self, moment: Moment, by: int) -> None:
        _tally(self.orders, moment.order_id, by)
        if moment.is_cancel:
            self.cancels += by
        else:
            _tally(self.filled, moment.order_id, by)

    @property
    def filled_percent(self) -> Decimal:
        """How many of a hundred orders were filled, at least in part."""
        return Decimal(100 * len(self.filled)) / len(self.orders)


class RapidCancels(Struct, kw_only=True):
    """More cancels of an account within some seconds than are usual, and few of its orders filled in the same time."""

    day: date | None = None
    windows: dict[UUID, Window] = {}

    def take_in(self, seen: Seen, thresholds: Thresholds) -> Iterator[Alert]:
        """Look at an event."""
        event, within = seen.event, thresholds.cancels_within
        if seen.day != self.day:
            self._sweep(seen, within)
        is_cancel = isinstance(event, Order.Cancelled) and event.reason == BY_THE_CUSTOMER
        if not is_cancel and not (isinstance(event, Order.Executed) and event.corrects is None):
            return
        window = self.windows.setdefault(event.account_id, Window())
        window.forget_before(event.recorded_at - within)
        window.add(
            Moment(
                at=event.recorded_at,
                log_position=seen.log_position,
                order_id=event.originator_id,
                is_cancel=is_cancel,
            )
        )
        is_many = is_cancel and window.cancels > thresholds.cancels_most
        if is_many and window.filled_percent < thresholds.cancels_filled_percent:
            yield _alert(window, seen, thresholds)

    def _sweep(self, seen: Seen, within: timedelta) -> None:
        """Once a day, forget accounts that have been quiet."""
        self.day = seen.day
        since = seen.event.recorded_at - within
        self.windows = {key: one for key, one in self.windows.items() if one.moments[-1].at >= since}


def _tally(counts: dict[UUID, int], key: UUID, by: int) -> None:
    count = counts.get(key, 0) + by
    if count:
        counts[key] = count
    else:
        counts.pop(key, None)


def _alert(window: Window, seen: Seen, thresholds: Thresholds) -> Alert:
    moments = window.moments
    return Alert(
        account_id=seen.event.account_id,
        kind=AlertKind.RAPID_CANCELS,
        severity=Severity.MEDIUM,
        symbol=None,
        day=seen.day,
        alerted_at=seen.event.recorded_at,
        log_position=seen.log_position,
        evidence=tuple(Evidence(log_position=one.log_position, subject_id=one.order_id) for one in moments),
        figures={
            "cancels": Decimal(window.cancels),
            "cancels_most": Decimal(thresholds.cancels_most),
            "seconds": Decimal(str((moments[-1].at - moments[0].at).total_seconds())),
            "seconds_most": Decimal(str(thresholds.cancels_within.total_seconds())),
            "filled_percent": window.filled_percent.quantize(Decimal("0.01")),
            "filled_percent_least": thresholds.cancels_filled_percent,
        },
    )
