"""What the worked morning has not: some days of a third customer and the firm, with a bank, a split and a dividend."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from application import casework as w
from application import commands as c
from application import corporate as f
from application.correcting import Execution, ReverseExecution
from application.rules import FundingTerms, TradingRules
from domain.account import Account, entitlement_of
from domain.case import Alert, AlertKind, Evidence, Resolution, Severity
from domain.interest import AnnualRate
from domain.order import Order
from domain.position import Position
from domain.terms import LotMethod
from domain.transfer import Direction
from tests.projecting.worked import OWNER, D, Desk, fill, place

CY, SPLIT, DIVIDEND, MISTAKE, FEBRUARY, DEE = (UUID(int=n) for n in range(101, 107))
FUNDS, TAKEN_BACK, UNPAID, FAILED, PUT_BACK = (UUID(int=n) for n in range(111, 116))
BOUGHT, AT_A_LOSS, AGAIN, TOO_SOON, REMAINS, CANCELLED, MISTAKEN = (UUID(int=n) for n in range(121, 128))
LATER = date(2026, 3, 4)  # two days after the worked morning
OPENING = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)


def live_on(desk: Desk) -> None:
    """Live through the further days, after the worked morning or instead of it."""
    give(desk, traded())
    desk.time += timedelta(days=2)
    give(desk, settled())
    take_back(desk)
    through_a_bank = TradingRules(funding=FundingTerms(is_instant=False))
    bank = Desk(desk.url, rules=through_a_bank)
    bank.time = desk.time
    give(bank, transferred())
    bank.close()
    desk.time = bank.time
    give(desk, [*dividend(), *interest(), *casework()])


def take_back(desk: Desk) -> None:
    """An execution that never was, and none of its traces is left."""
    give(desk, trade(MISTAKEN, "buy 2 IBM limit", "10"))
    last = {type(fact.event): fact.event for fact in desk.facts()}
    executed, cash, shares = (
        last[kind] for kind in (Order.Executed, Account.PurchaseDebited, Position.LotOpened)
    )
    execution = Execution(executed=executed, cash=cash, shares=shares)
    desk.do(ReverseExecution(account_id=CY, execution=execution, reason="entered twice"))


def give(desk: Desk, commands: Iterable[Any]) -> None:
    for command in commands:
        desk.do(command)


def traded() -> Iterator[c.Command]:
    """100 dollars lose 10; what is left buys 5 shares again, and one of them is sold before it is paid for."""
    yield c.OpenAccount(account_id=CY, owner_id=OWNER)
    yield c.ChooseLotMethod(account_id=CY, method=LotMethod.LIFO)
    yield c.Deposit(account_id=CY, transfer_id=FUNDS, amount=D("100.00"))
    yield from trade(BOUGHT, "buy 10 KO limit", "10")
    yield from trade(AT_A_LOSS, "sell 10 KO limit", "9")
    yield from trade(AGAIN, "buy 5 KO limit", "9")
    yield from trade(TOO_SOON, "sell 1 KO limit", "12")
    yield place(CANCELLED, "sell 1 KO limit gtc", account_id=CY, limit_price=D(30))
    yield c.CancelOrder(account_id=CY, order_id=CANCELLED)
    yield place(REMAINS, "sell 2 KO limit gtc", account_id=CY, limit_price=D(30))


def trade(order_id: UUID, terms: str, price: str) -> Iterator[c.Command]:
    """An order that is filled at once."""
    yield place(order_id, terms, account_id=CY, limit_price=D(price))
    execution_id = UUID(int=order_id.int + 100)
    yield replace(fill(order_id, execution_id, terms.split()[1], price, quote=1), account_id=CY)


def settled() -> Iterator[c.Command]:
    """All trades settle; then 4 shares become 5 and a third of one, which is paid in cash."""
    terms: dict[str, Any] = {"symbol": "KO", "numerator": 4, "denominator": 3, "cash_in_lieu": D(8)}
    yield c.Settle(account_id=CY, through=LATER)
    yield f.AnnounceSplit(action_id=SPLIT, ex_date=LATER, today=LATER, **terms)
    yield f.BeginAction(action_id=SPLIT, today=LATER)
    yield f.ApplySplit(account_id=CY, action_id=SPLIT, effective_at=OPENING, **terms)
    yield f.CompleteAction(action_id=SPLIT, accounts=1)


def transferred() -> Iterator[c.Command]:
    """Two transfers that the bank does not do, and two that it takes back: the last leaves a debt."""
    for transfer_id, kind in ((UNPAID, c.Deposit), (FAILED, c.Withdraw)):
        yield kind(account_id=CY, transfer_id=transfer_id, amount=D("30.00"))
        yield c.FailTransfer(account_id=CY, transfer_id=transfer_id, reason="account_closed")
    for transfer_id, kind in ((PUT_BACK, c.Withdraw), (TAKEN_BACK, c.Deposit)):
        ids: dict[str, Any] = {"account_id": CY, "transfer_id": transfer_id}
        way = Direction.DEPOSIT if kind is c.Deposit else Direction.WITHDRAWAL
        yield kind(**ids, amount=D("20.00"))
        yield c.CompleteTransfer(**ids)
        yield c.ReturnTransfer(**ids, reason="not_authorized", direction=way, amount=D("20.00"))


def dividend() -> Iterator[c.Command]:
    """A dividend from its announcement to its payment, and one that was a mistake."""
    announced: dict[str, Any] = {"symbol": "KO", "rate": D("0.47"), "record_date": LATER}
    days = {"ex_date": LATER, "pay_date": LATER}
    entitlement = entitlement_of(action_id=DIVIDEND, symbol="KO", quantity=D(5), rate=D("0.47"), **days)
    yield f.AnnounceDividend(action_id=DIVIDEND, **announced, **days)
    yield f.BeginAction(action_id=DIVIDEND, today=LATER)
    yield f.EntitleDividend(account_id=CY, entitlement=entitlement)
    yield f.FixEntitlements(action_id=DIVIDEND, accounts=1, quantity=D(5), amount=D("2.35"))
    yield f.PayDividend(account_id=CY, action_id=DIVIDEND)
    yield f.CompleteAction(action_id=DIVIDEND, accounts=1)
    yield f.AnnounceDividend(action_id=MISTAKE, **announced, **days)
    yield f.CancelAction(action_id=MISTAKE, reason="announced twice")


def casework() -> Iterator[c.Command]:
    """A case from its alert to its end, of an account that is suspended for good already; and one of another customer."""
    alert = Alert(
        account_id=CY,
        kind=AlertKind.WASH_TRADING,
        severity=Severity.HIGH,
        symbol="KO",
        day=LATER,
        alerted_at=OPENING,
        log_position=60,
        evidence=(Evidence(log_position=60, subject_id=AGAIN),),
        figures={"round_trips": D(11), "round_trips_most": D(10)},
    )
    ids: dict[str, Any] = {"account_id": CY, "case_id": alert.case_id}
    yield w.OpenCase.of(alert, block_for=timedelta(days=3))
    yield c.OpenAccount(account_id=DEE, owner_id=OWNER)
    yield w.OpenCase.of(replace(alert, account_id=DEE), block_for=timedelta(days=3))
    yield w.AssignCase(**ids, assignee_id=OWNER)
    yield w.NoteCase(**ids, text="asked the customer.")
    yield w.CloseCase(**ids, resolution=Resolution.WARNED, reason="told to stop")
    yield w.EndBlock(account_id=CY)  # not yet


def interest() -> Iterator[c.Command]:
    """February's interest."""
    first, last = date(2026, 2, 1), date(2026, 2, 28)
    rates = (AnnualRate(first, D("0.02")),)
    yield f.BeginInterest(period_id=FEBRUARY, first_day=first, rates=rates, today=LATER)
    yield f.PayInterest(account_id=CY, first_day=first, last_day=last, accrued=D("0.153425"))
    yield f.FinishInterest(period_id=FEBRUARY, accounts=1, amount=D("0.15"))
