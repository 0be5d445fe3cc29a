"""Events of every kind, in an order in which they can be folded: an account bought, sold and was closed.

The first of each kind is what `python -m tests.golden.add` writes a golden file from, once. A golden file is never
written again; when an event gets a new version its sample here takes the new form, and the old file stays.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.account import Account
from domain.aggregate import Event
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Lot, Position, Relief
from domain.terms import OrderTerms, OrderType, Side, TimeInForce

D = Decimal
ACCOUNT, OWNER, TRANSFER = (UUID(int=0xA0 + n) for n in range(3))
BUY, SALE, REFUSED, RESTING = (UUID(int=0xB0 + n) for n in range(4))
BOUGHT, SOLD = UUID(int=0xC0), UUID(int=0xC1)
POSITION = UUID(int=0xD0)
ERASURE = UUID(int=0xE0)
STAFF = (UUID(int=0xF0), UUID(int=0xF1))
START = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC)

BUYS = OrderTerms(
    symbol="BRK.B",
    side=Side.BUY,
    type=OrderType.STOP_LIMIT,
    quantity=D("10.500000"),
    time_in_force=TimeInForce.GTC,
    limit_price=D("100.0000"),
    stop_price=D("95.0000"),
    client_order_id="mine-1",
)
SELLS = OrderTerms(symbol="BRK.B", side=Side.SELL, type=OrderType.MARKET, quantity=D("4.000000"))
TRADE = {"symbol": "BRK.B", "price": D("99.1250")}

_versions: dict[UUID, int] = {}


def _story() -> list[Event]:
    return [
        _account(Account.Opened, owner_id=OWNER),
        _account(Account.Deposited, transfer_id=TRANSFER, amount=D("2000.00")),
        _account(Account.FundsHeld, order_id=BUY, amount=D("1050.00")),
        _order(Order.Placed, BUY, terms=BUYS, price_cap=D("100.0000")),
        _order(Order.Accepted, BUY, venue="internal"),
        _order(Order.Triggered, BUY, quote=7, elected_by="last", price=D("95.5000")),
        _order(Order.Replaced, BUY, terms=BUYS, price_cap=D("100.0000"), revision=1),
        _order(
            Order.Executed,
            BUY,
            execution_id=BOUGHT,
            venue="internal",
            quantity=D("8.000000"),
            price=D("99.1250"),
            amount=D("793.00"),
            leaves_quantity=D("2.500000"),
            quote=8,
        ),
        _account(
            Account.PurchaseDebited,
            order_id=BUY,
            execution_id=BOUGHT,
            quantity=D("8.000000"),
            amount=D("793.00"),
            leaves_quantity=D("2.500000"),
            released=D("800.00"),
            **TRADE,
        ),
        _position(
            Position.LotOpened,
            order_id=BUY,
            execution_id=BOUGHT,
            lot=Lot(lot_id=BOUGHT, quantity=D("8.000000"), cost=D("793.00"), acquired_at=START),
        ),
        _order(Order.Cancelled, BUY, reason="requested", leaves_quantity=D("2.500000")),
        _account(Account.FundsReleased, order_id=BUY, amount=D("250.00")),
        _position(Position.SharesReserved, order_id=SALE, quantity=D("4.000000")),
        _position(Position.SharesReleased, order_id=SALE, quantity=D("1.000000")),
        _order(Order.Placed, SALE, terms=SELLS),
        _order(
            Order.Executed,
            SALE,
            execution_id=SOLD,
            venue="internal",
            quantity=D("3.000000"),
            price=D("99.1250"),
            amount=D("297.38"),
            leaves_quantity=D("1.000000"),
            quote=9,
        ),
        _account(
            Account.SaleCredited,
            order_id=SALE,
            execution_id=SOLD,
            quantity=D("3.000000"),
            amount=D("297.38"),
            leaves_quantity=D("1.000000"),
            **TRADE,
        ),
        _position(
            Position.LotsRelieved,
            order_id=SALE,
            execution_id=SOLD,
            quantity=D("3.000000"),
            proceeds=D("297.38"),
            cost=D("297.38"),
            profit=D("0.00"),
            relieved=(Relief(lot_id=BOUGHT, quantity=D("3.000000"), cost=D("297.38"), acquired_at=START),),
        ),
        _order(
            Order.Rejected,
            REFUSED,
            terms=SELLS,
            reason="free_shares_must_cover_order",
            detail="3.000000 BRK.B are free, 4.000000 would be sold",
        ),
        _order(Order.Placed, RESTING, terms=SELLS),
        _order(Order.Expired, RESTING, reason="session_closed", leaves_quantity=D("4.000000")),
        _account(Account.Withdrawn, transfer_id=TRANSFER, amount=D("1.00")),
        _account(Account.Suspended, reason="papers are missing"),
        _account(Account.Reinstated, reason="papers came"),
        _account(Account.Closed),
        _event(
            Erasure.Certified,
            ERASURE,
            user_id=OWNER,
            erased={"identity": 1, "origins": 3, "logins": 2},
            key_fingerprint="00112233445566778899aabbccddeeff",
            requested_by=STAFF[0],
            requested_at=START,
            approved_by=STAFF[1],
            approved_at=START + timedelta(hours=1),
            erased_at=START + timedelta(hours=1, seconds=1),
        ),
    ]


def _event(kind: type[Event], originator_id: UUID, **facts: Any) -> Event:
    version = _versions[originator_id] = _versions.get(originator_id, 0) + 1
    at = START + timedelta(seconds=sum(_versions.values()))
    return kind(
        originator_id=originator_id, originator_version=version, account_id=ACCOUNT, recorded_at=at, **facts
    )


def _account(kind: type[Event], **facts: Any) -> Event:
    return _event(kind, ACCOUNT, **facts)


def _order(kind: type[Event], order_id: UUID, **facts: Any) -> Event:
    return _event(kind, order_id, **facts)


def _position(kind: type[Event], **facts: Any) -> Event:
    return _event(kind, POSITION, symbol="BRK.B", **facts)


STORY: list[Event] = _story()
