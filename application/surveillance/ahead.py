"""Trading ahead: a large trade right before the price moves far in its favour.

Prices are those of the log's own executions, of all accounts, so that the same log always shows the same moves.
"""

import heapq
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from application.surveillance.facts import Seen, Traded, traded
from application.surveillance.thresholds import Thresholds
from domain.case import Alert, AlertKind, Evidence, Severity
from domain.corporate_action import CorporateAction
from domain.order import Order

NOUGHT, HUNDRED, CENT = Decimal(0), Decimal(100), Decimal("0.01")


class LargeTrade(Struct, order=True, kw_only=True, gc=False):
    """What an order traded, once it is large. From `moved` on, on the scale of its side, the price has moved far.

    The scale of a buy is the price; that of a sale the price below nothing, so that of both the least comes first.
    """

    moved: Decimal
    log_position: int
    at: datetime
    account_id: UUID
    price: Decimal
    notional: Decimal
    evidence: list[Evidence]


class Part(Struct, kw_only=True):
    """What an open order has traded so far, while that is not large."""

    symbol: str
    quantity: Decimal = NOUGHT
    notional: Decimal = NOUGHT
    evidence: list[Evidence] = []


class Sides(Struct, kw_only=True):
    """The large trades in a symbol, both heaps with the one that the price reaches first on top."""

    buys: list[LargeTrade] = []
    sales: list[LargeTrade] = []
    swept_at: datetime | None = None


class TradingAhead(Struct, kw_only=True):
    """Large trades of the last minutes, and the splits that are to come: a split moves the price and means nothing."""

    symbols: dict[str, Sides] = {}
    parts: dict[UUID, Part] = {}
    splits: dict[UUID, tuple[str, date]] = {}

    def take_in(self, seen: Seen, thresholds: Thresholds) -> Iterator[Alert]:
        """Look at an event."""
        trade = traded(seen.event)
        if trade is None:
            self._note(seen.event)
            return
        self._forget_before_splits(trade.symbol, seen.day)
        sides = self.symbols.setdefault(trade.symbol, Sides())
        _sweep(sides, seen.event.recorded_at, thresholds)
        yield from self._moved(sides.buys, trade.price, trade, seen, thresholds)
        yield from self._moved(sides.sales, -trade.price, trade, seen, thresholds)
        self._add(sides, trade, seen, thresholds)

    def _note(self, event: object) -> None:
        if isinstance(event, CorporateAction.SplitAnnounced):
            self.splits[event.originator_id] = event.symbol, event.ex_date
        elif isinstance(event, CorporateAction.Cancelled):
            self.splits.pop(event.originator_id, None)
        elif isinstance(event, Order.Cancelled | Order.Expired):
            self.parts.pop(event.originator_id, None)

    def _forget_before_splits(self, symbol: str, day: date) -> None:
        if not self.splits:
            return
        over = [key for key, (of, ex_date) in self.splits.items() if of == symbol and ex_date <= day]
        for key in over:
            del self.splits[key]
            self.symbols.pop(symbol, None)
            self.parts = {order: part for order, part in self.parts.items() if part.symbol != symbol}

    def _moved(
        self, heap: list[LargeTrade], reached: Decimal, trade: Traded, seen: Seen, thresholds: Thresholds
    ) -> Iterator[Alert]:
        since = seen.event.recorded_at - thresholds.move_within
        while heap and heap[0].moved <= reached:
            large = heapq.heappop(heap)
            if large.at >= since:
                yield _alert(large, trade, seen, thresholds)

    def _add(self, sides: Sides, trade: Traded, seen: Seen, thresholds: Thresholds) -> None:
        part = self.parts.pop(trade.order_id, None) or Part(symbol=trade.symbol)
        part.quantity += trade.quantity
        part.notional += trade.quantity * trade.price
        part.evidence.append(seen.evidence)
        if part.notional < thresholds.move_notional:
            if trade.has_more:
                self.parts[trade.order_id] = part
            return
        price = part.notional / part.quantity
        change = price * thresholds.move_least_percent / HUNDRED
        large = LargeTrade(
            moved=price + change if trade.is_buy else change - price,
            log_position=seen.log_position,
            at=seen.event.recorded_at,
            account_id=trade.account_id,
            price=price,
            notional=part.notional,
            evidence=part.evidence,
        )
        heapq.heappush(sides.buys if trade.is_buy else sides.sales, large)


def _sweep(sides: Sides, now: datetime, thresholds: Thresholds) -> None:
    """Now and then, forget what is too long ago."""
    if sides.swept_at is None or now - sides.swept_at > thresholds.move_within:
        since = now - thresholds.move_within
        for heap in (sides.buys, sides.sales):
            heap[:] = [one for one in heap if one.at >= since]
            heapq.heapify(heap)
        sides.swept_at = now


def _alert(large: LargeTrade, trade: Traded, seen: Seen, thresholds: Thresholds) -> Alert:
    move = abs(trade.price - large.price) / large.price * HUNDRED
    return Alert(
        account_id=large.account_id,
        kind=AlertKind.TRADING_AHEAD,
        severity=Severity.HIGH,
        symbol=trade.symbol,
        day=seen.day,
        alerted_at=seen.event.recorded_at,
        log_position=seen.log_position,
        evidence=(*large.evidence, seen.evidence),
        figures={
            "notional": large.notional,
            "notional_least": thresholds.move_notional,
            "price": large.price.quantize(Decimal("0.0001")),
            "price_after": trade.price,
            "move_percent": move.quantize(CENT),
            "move_percent_least": thresholds.move_least_percent,
            "seconds": Decimal(str((seen.event.recorded_at - large.at).total_seconds())),
            "seconds_most": Decimal(str(thresholds.move_within.total_seconds())),
        },
    )
