"""Events of every kind, in an order in which they can be folded: an account bought, sold and was closed.

The first of each kind is what `python -m tests.golden.add` writes a golden file from, once. A golden file is never
written again; when an event gets a new version its sample here takes the new form, and the old file stays.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import structs

from domain.account import Account, Entitlement, Unsettled
from domain.aggregate import Event
from domain.case import AlertKind, Case, Evidence, Resolution, Severity
from domain.corporate_action import FIRM, CorporateAction
from domain.erasure import Erasure
from domain.interest import AnnualRate, InterestPeriod
from domain.order import Order
from domain.position import Lot, Position, Relief, ReturnedLot, SplitLot, SplitReserve
from domain.reversal import facts_of
from domain.tax import Term
from domain.terms import LotMethod, OrderTerms, OrderType, Side, TimeInForce
from domain.transfer import Direction, Transfer

D = Decimal
ACCOUNT, OWNER, TRANSFER = (UUID(int=0xA0 + n) for n in range(3))
BUY, SALE, REFUSED, RESTING = (UUID(int=0xB0 + n) for n in range(4))
BOUGHT, SOLD = UUID(int=0xC0), UUID(int=0xC1)
POSITION = UUID(int=0xD0)
DIVIDEND, SPLIT, MONTH, SPLIT_ORDER = (UUID(int=0xE0 + n) for n in range(4))
SENT, LOST = UUID(int=0xF0), UUID(int=0xF1)
SETTLES = date(2026, 3, 2)
EX_DATE, PAY_DATE = date(2026, 3, 4), date(2026, 3, 20)
ERASURE, CASE = UUID(int=0xE8), UUID(int=0xE9)
STAFF = (UUID(int=0xF8), UUID(int=0xF9))
START = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC)
DAY = timedelta(days=1)

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
            settles_on=SETTLES,
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
            settles_on=SETTLES,
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
        _position(
            Position.WashSaleDisallowed,
            execution_id=SOLD,
            sold_lot_id=BOUGHT,
            sold_on=START.date(),
            quantity=D("2.000000"),
            disallowed=D("1.25"),
            term=Term.SHORT,
            replacement_id=BOUGHT,
            cost=D("198.25"),
            lot=Lot(
                lot_id=UUID(int=0xC2),
                quantity=D("2.000000"),
                cost=D("199.50"),
                acquired_at=START,
                held_since=START.date() - 3 * DAY,
                replaces=SOLD,
                order_id=BUY,
            ),
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
        _account(
            Account.GoodFaithViolated,
            order_id=SALE,
            execution_id=SOLD,
            symbol="BRK.B",
            quantity=D("3.000000"),
            paid_on=SETTLES,
            trade_date=START.date(),
        ),
        _account(
            Account.Settled,
            settles_on=SETTLES,
            due=Unsettled(
                proceeds=D("297.38"),
                purchases=D("793.00"),
                street_due=D("297.38"),
                street_owed=D("793.00"),
                bought={"BRK.B": D("8.000000")},
                sold={"BRK.B": D("3.000000")},
            ),
        ),
        _account(Account.LotMethodChosen, method=LotMethod.HIFO),
        *_of_the_firm(),
        _account(
            Account.DividendEntitled,
            entitlement=Entitlement(
                action_id=DIVIDEND,
                symbol="BRK.B",
                quantity=D("5.000000"),
                rate=D("0.125000"),
                gross=D("0.62"),
                ex_date=EX_DATE,
                pay_date=PAY_DATE,
            ),
        ),
        _account(
            Account.DividendPaid,
            action_id=DIVIDEND,
            symbol="BRK.B",
            quantity=D("5.000000"),
            rate=D("0.125000"),
            gross=D("0.62"),
            amount=D("0.47"),
            withheld=D("0.15"),
        ),
        _account(
            Account.InterestPaid,
            first_day=date(2026, 2, 1),
            last_day=date(2026, 2, 28),
            accrued=D("1.234567"),
            gross=D("1.23"),
            amount=D("0.93"),
            withheld=D("0.30"),
        ),
        _order(Order.Placed, SPLIT_ORDER, terms=SELLS),
        _position(Position.SharesReserved, order_id=SPLIT_ORDER, quantity=D("4.000000")),
        _account(
            Account.SharesSplit,
            action_id=SPLIT,
            symbol="BRK.B",
            numerator=3,
            denominator=2,
            before=D("5.000000"),
            after=D("7.500000"),
        ),
        _account(
            Account.CashInLieuPaid,
            action_id=SPLIT,
            symbol="BRK.B",
            quantity=D("0.500000"),
            price=D("66.5000"),
            amount=D("33.25"),
        ),
        _position(
            Position.Split,
            action_id=SPLIT,
            numerator=3,
            denominator=2,
            before=D("5.000000"),
            after=D("7.500000"),
            lots=(
                SplitLot(
                    lot_id=BOUGHT,
                    before=D("5.000000"),
                    after=D("7.500000"),
                    cost=D("495.62"),
                    acquired_at=START,
                ),
            ),
            reserves=(SplitReserve(order_id=SPLIT_ORDER, before=D("4.000000"), after=D("6.000000")),),
        ),
        _position(
            Position.FractionCashed,
            action_id=SPLIT,
            quantity=D("0.500000"),
            price=D("66.5000"),
            cash=D("33.25"),
            cost=D("33.04"),
            profit=D("0.21"),
            relieved=(Relief(lot_id=BOUGHT, quantity=D("0.500000"), cost=D("33.04"), acquired_at=START),),
        ),
        _order(
            Order.Adjusted,
            SPLIT_ORDER,
            action_id=SPLIT,
            terms=structs.replace(SELLS, quantity=D("6.000000")),
            filled=D("0.000000"),
            revision=1,
        ),
        _account(Account.Withdrawn, transfer_id=TRANSFER, amount=D("1.00")),
        _transfer(
            Transfer.Initiated, SENT, direction=Direction.DEPOSIT, amount=D("40.96"), due_at=START + DAY
        ),
        _transfer(Transfer.Completed, SENT),
        _transfer(
            Transfer.Returned,
            SENT,
            direction=Direction.DEPOSIT,
            amount=D("40.96"),
            reason="insufficient_funds",
        ),
        _account(Account.DepositTakenBack, transfer_id=SENT, amount=D("40.96"), owed=D("0.96")),
        _transfer(
            Transfer.Initiated, LOST, direction=Direction.WITHDRAWAL, amount=D("7.91"), due_at=START + DAY
        ),
        _account(Account.WithdrawalHeld, transfer_id=LOST, amount=D("7.91")),
        _transfer(Transfer.Failed, LOST, reason="account_closed"),
        _account(Account.WithdrawalReleased, transfer_id=LOST, amount=D("7.91")),
        _account(Account.WithdrawalPutBack, transfer_id=TRANSFER, amount=D("1.00"), repaid=D("0.96")),
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
        *_of_the_desk(),
    ]


def _of_the_desk() -> list[Event]:
    return [
        _event(
            Case.Opened,
            CASE,
            kind=AlertKind.WASH_TRADING,
            severity=Severity.HIGH,
            symbol="BRK.B",
            day=START.date(),
            alerted_at=START,
            log_position=18,
            evidence=(
                Evidence(log_position=9, subject_id=BUY),
                Evidence(log_position=18, subject_id=SALE),
            ),
            figures={
                "round_trips": D(11),
                "round_trips_most": D(10),
                "quantity": D("3.000000"),
                "notional": D("297.375"),
            },
        ),
        _account(Account.Suspended, reason="surveillance_wash_trading", until=START + DAY, case_id=CASE),
        _event(Case.Assigned, CASE, assignee_id=STAFF[0]),
        _event(Case.Noted, CASE, text="the same two orders each time"),
        _event(Case.Closed, CASE, resolution=Resolution.WARNED, reason="told to stop"),
    ]


def _of_the_firm() -> list[Event]:
    return [
        _firm(
            CorporateAction.DividendAnnounced,
            DIVIDEND,
            symbol="BRK.B",
            rate=D("0.125000"),
            ex_date=EX_DATE,
            record_date=EX_DATE,
            pay_date=PAY_DATE,
        ),
        _firm(CorporateAction.Begun, DIVIDEND),
        _firm(
            CorporateAction.EntitlementsFixed,
            DIVIDEND,
            accounts=1,
            quantity=D("5.000000"),
            amount=D("0.62"),
        ),
        _firm(CorporateAction.Completed, DIVIDEND, accounts=1),
        _firm(
            CorporateAction.SplitAnnounced,
            SPLIT,
            symbol="BRK.B",
            numerator=3,
            denominator=2,
            ex_date=EX_DATE,
            cash_in_lieu=D("66.5000"),
        ),
        _firm(CorporateAction.Cancelled, SPLIT, reason="announced by mistake"),
        _firm(
            InterestPeriod.Begun,
            MONTH,
            first_day=date(2026, 2, 1),
            last_day=date(2026, 2, 28),
            rates=(AnnualRate(date(2026, 1, 1), D("0.035")),),
        ),
        _firm(InterestPeriod.Paid, MONTH, accounts=1, amount=D("1.23")),
    ]


def _firm(kind: type[Event], originator_id: UUID, **facts: Any) -> Event:
    return structs.replace(_event(kind, originator_id, **facts), account_id=FIRM)


def _event(kind: type[Event], originator_id: UUID, /, **facts: Any) -> Event:
    version = _versions[originator_id] = _versions.get(originator_id, 0) + 1
    at = START + timedelta(seconds=sum(_versions.values()))
    return kind(
        originator_id=originator_id, originator_version=version, account_id=ACCOUNT, recorded_at=at, **facts
    )


def _account(kind: type[Event], /, **facts: Any) -> Event:
    return _event(kind, ACCOUNT, **facts)


def _order(kind: type[Event], order_id: UUID, /, **facts: Any) -> Event:
    return _event(kind, order_id, **facts)


def _transfer(kind: type[Event], transfer_id: UUID, **facts: Any) -> Event:
    return _event(kind, transfer_id, **facts)


def _position(kind: type[Event], **facts: Any) -> Event:
    return _event(kind, POSITION, symbol="BRK.B", **facts)


def _reversals(story: list[Event]) -> list[Event]:
    """The sale is taken back after it had settled."""
    sale = [event for event in story if getattr(event, "execution_id", None) == SOLD]
    executed = next(event for event in sale if isinstance(event, Order.Executed))
    credited = next(event for event in sale if isinstance(event, Account.SaleCredited))
    relieved = next(event for event in sale if isinstance(event, Position.LotsRelieved))
    why = "traded on a wrong quote"
    lot = Lot(lot_id=BOUGHT, quantity=D("3.000000"), cost=D("297.38"), acquired_at=START, order_id=BUY)
    return [
        _order(Order.Reversed, SALE, **facts_of(executed, reason=why, kinds=Order.Reversed.KINDS)),
        _account(
            Account.Reversed,
            settles_on=PAY_DATE,
            **facts_of(credited, reason=why, kinds=Account.Reversed.KINDS),
        ),
        _event(
            Position.Reversed,
            POSITION,
            returned=(ReturnedLot(lot=lot, place=0),),
            **facts_of(relieved, reason=why, kinds=Position.Reversed.KINDS),
        ),
    ]


STORY: list[Event] = _story()
STORY += _reversals(STORY)
