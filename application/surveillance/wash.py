"""Wash trading: one account buys and sells one symbol again and again on one day."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from application.surveillance.facts import Seen, Traded, traded
from application.surveillance.thresholds import Thresholds
from domain.case import Alert, AlertKind, Evidence, Severity

NOUGHT = Decimal(0)


class Trips(Struct, kw_only=True):
    """An account's round trips in a symbol on the day at hand.

    `bought` are shares bought on the day and not sold since; `purchase` the last purchase, until a sale follows it.
    """

    bought: Decimal = NOUGHT
    purchase: Evidence | None = None
    pairs: list[tuple[UUID, UUID]] = []  # the orders of each round trip, so that parts of them count once
    evidence: list[Evidence] = []
    quantity: Decimal = NOUGHT
    notional: Decimal = NOUGHT


class WashTrading(Struct, kw_only=True):
    """A round trip is a purchase and, after it, a sale of shares bought on the same day, once for each two orders.

    A sale that follows a sale is part of the same round trip, so that who sells in parts is not counted by the parts
    (as FINRA counts day trades, rule 4210(f)(8)(B)).
    """

    day: date | None = None
    trips: dict[UUID, dict[str, Trips]] = {}

    def take_in(self, seen: Seen, thresholds: Thresholds) -> Iterator[Alert]:
        """Look at an event."""
        if seen.day != self.day:
            self.day, self.trips = seen.day, {}
        trade = traded(seen.event)
        if trade is None:
            return
        trips = self.trips.setdefault(trade.account_id, {}).setdefault(trade.symbol, Trips())
        if trade.is_buy:
            trips.bought, trips.purchase = trips.bought + trade.quantity, seen.evidence
            return
        is_one_more = bool(trips.bought) and self._is_round(trips, trade, seen.evidence)
        if is_one_more and len(trips.pairs) > thresholds.round_trips_most:
            yield _alert(trips, trade, seen, thresholds)

    def _is_round(self, trips: Trips, trade: Traded, sale: Evidence) -> bool:
        """Take in a sale of what was bought on the day. Whether it makes one more round trip."""
        sold = min(trips.bought, trade.quantity)
        trips.bought -= sold
        trips.quantity += sold
        trips.notional += sold * trade.price
        purchase, trips.purchase = trips.purchase, None
        if purchase is None or (purchase.subject_id, trade.order_id) in trips.pairs:
            return False
        trips.pairs.append((purchase.subject_id, trade.order_id))
        trips.evidence += [purchase, sale]
        return True


def _alert(trips: Trips, trade: Traded, seen: Seen, thresholds: Thresholds) -> Alert:
    return Alert(
        account_id=trade.account_id,
        kind=AlertKind.WASH_TRADING,
        severity=Severity.HIGH,
        symbol=trade.symbol,
        day=seen.day,
        alerted_at=seen.event.recorded_at,
        log_position=seen.log_position,
        evidence=tuple(trips.evidence),
        figures={
            "round_trips": Decimal(len(trips.pairs)),
            "round_trips_most": Decimal(thresholds.round_trips_most),
            "quantity": trips.quantity,
            "notional": trips.notional,
        },
    )
