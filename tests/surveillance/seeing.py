"""A log by hand: events of one account after the other, and the alerts that they give."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from application.surveillance import Seen, Thresholds, Watch
from domain.account import Account
from domain.aggregate import Event, EventRef
from domain.case import Alert
from domain.corporate_action import FIRM, CorporateAction
from domain.order import Order
from domain.terms import OrderTerms, OrderType, Side

D = Decimal
ANN, BOB = UUID(int=1), UUID(int=2)
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
A_SECOND, A_MINUTE, A_DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


class Telling:
    """What happens, a second after what happened before; `watch` sees each of it."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self.watch = Watch()
        self.now = START
        self.seen: list[Seen] = []
        self.alerts: list[Alert] = []
        self._orders = 100

    def after(self, time: timedelta) -> "Telling":
        self.now += time - A_SECOND
        return self

    def order(self) -> UUID:
        self._orders += 1
        return UUID(int=self._orders)

    def tell(self, event: Event, *, by_customer: bool = False) -> list[Alert]:
        seen = Seen(
            log_position=len(self.seen) + 1,
            event=event,
            day=event.recorded_at.date(),
            by_customer=by_customer,
        )
        self.seen.append(seen)
        found = self.watch.take_in(seen, self.thresholds)
        self.alerts += found
        return found

    def happens(
        self, kind: type[Any], account_id: UUID = ANN, *, by_customer: bool = False, **facts: Any
    ) -> Any:
        self.now += A_SECOND
        facts = {"originator_id": account_id, **facts}
        event = kind(originator_version=1, account_id=account_id, recorded_at=self.now, **facts)
        return self.tell(event, by_customer=by_customer)

    def buys(self, quantity: str = "10", price: str = "100", symbol: str = "AAPL", **others: Any) -> Any:
        return self._trades(Account.PurchaseDebited, quantity, price, symbol, {"released": D(0), **others})

    def sells(self, quantity: str = "10", price: str = "100", symbol: str = "AAPL", **others: Any) -> Any:
        return self._trades(Account.SaleCredited, quantity, price, symbol, others)

    def _trades(self, kind: Any, quantity: str, price: str, symbol: str, others: dict[str, Any]) -> Any:
        facts = {
            "order_id": self.order(),
            "execution_id": self.order(),
            "symbol": symbol,
            "quantity": D(quantity),
            "price": D(price),
            "amount": D(quantity) * D(price),
            "leaves_quantity": D(0),
            "settles_on": date(2026, 3, 3),
            **others,
        }
        return self.happens(kind, facts.pop("account_id", ANN), **facts)

    def round_trip(self, symbol: str = "AAPL") -> list[Alert]:
        return [*self.buys(symbol=symbol), *self.sells(symbol=symbol)]

    def cancels(self, account_id: UUID = ANN, *, reason: str = "requested") -> list[Alert]:
        order_id = self.order()
        return self.happens(
            Order.Cancelled, account_id, originator_id=order_id, reason=reason, leaves_quantity=D(1)
        )

    def fills(self, order_id: UUID | None = None, account_id: UUID = ANN) -> list[Alert]:
        return self.happens(
            Order.Executed,
            account_id,
            originator_id=order_id or self.order(),
            execution_id=self.order(),
            venue="SIM",
            quantity=D(1),
            price=D(1),
            amount=D(1),
            leaves_quantity=D(0),
            quote=1,
        )

    def places(self, account_id: UUID = ANN, *, by_customer: bool = True) -> list[Alert]:
        terms = OrderTerms(symbol="AAPL", side=Side.BUY, type=OrderType.MARKET, quantity=D(1))
        return self.happens(
            Order.Placed, account_id, originator_id=self.order(), terms=terms, by_customer=by_customer
        )

    def announces_split(self, ex_date: date, symbol: str = "AAPL") -> UUID:
        action_id = self.order()
        self.happens(
            CorporateAction.SplitAnnounced,
            FIRM,
            originator_id=action_id,
            symbol=symbol,
            numerator=2,
            denominator=1,
            ex_date=ex_date,
            cash_in_lieu=None,
        )
        return action_id


def replayed(seen: Iterable[Seen], thresholds: Thresholds, *, put_down_after: int = 0) -> list[Alert]:
    """The alerts of the same log, seen again; the watch is put down and taken up again after so many events."""
    watch, alerts = Watch(), []
    for number, one in enumerate(seen, 1):
        alerts += watch.take_in(one, thresholds)
        if put_down_after and number % put_down_after == 0:
            watch = msgspec.msgpack.decode(msgspec.msgpack.encode(watch), type=Watch)
    return alerts


def a_correction() -> EventRef:
    return EventRef(UUID(int=7), 1)
