"""Each command is decided on the account, the order and the position together, or not at all."""

from uuid import UUID

import msgspec
import pytest

from application import commands as c
from application.handlers import handle
from domain.account import Account
from domain.errors import (
    AccountMustBeEmpty,
    AccountMustBeOpenForTrading,
    AccountMustExist,
    AvailableCashMustCoverOrder,
    ClientOrderIdMustBeUnique,
    ExecutionMustNotExceedLeaves,
    ExecutionMustRespectItsLimit,
    FreeSharesMustCoverOrder,
    MoneyMustBeWholeCents,
    OrderMustBeOpen,
    OrderMustExist,
    OrderTermsMustFitItsType,
    QuantityMustHaveAtMostSixPlaces,
    Refusal,
    SymbolMustBeQuoted,
)
from domain.terms import Side
from tests.application.desk import Desk
from tests.domain.examples import ACCOUNT, NOW, ORDER, OTHER_ORDER, OWNER, TRANSFER, D

STRANGER = UUID(int=77)


def a_desk(cash: str = "1000.00", shares: str = "0", cost: str = "1") -> Desk:
    """An open account with cash beside so many shares of AAPL, bought for `cost` each."""
    desk = Desk()
    desk.send(c.OpenAccount(account_id=ACCOUNT, owner_id=OWNER))
    if D(shares):
        deposit(desk, str(D(shares) * D(cost)))
        desk.send(place(order_id=TRANSFER, quantity=shares, limit_price=cost))
        desk.send(execute(order_id=TRANSFER, quantity=shares, price=cost, execution=1))
    if D(cash):
        deposit(desk, cash)
    return desk


def deposit(desk: Desk, amount: str) -> None:
    desk.send(c.Deposit(account_id=ACCOUNT, transfer_id=TRANSFER, amount=D(amount).quantize(D("0.01"))))


def place(side: str = "buy", type: str = "limit", **changes) -> c.PlaceOrder:
    usual = {"account_id": ACCOUNT, "order_id": ORDER, "symbol": "AAPL", "side": side, "type": type}
    usual |= {"quantity": D(5), "limit_price": D(100) if type in ("limit", "stop_limit") else None}
    return msgspec.convert({**usual, **changes}, c.PlaceOrder, strict=False)


def execute(quantity: str, price: str = "100", execution: int = 9, **changes) -> c.ExecuteOrder:
    usual = {"account_id": ACCOUNT, "order_id": ORDER, "venue": "daybook", "quote": 1, "symbol": "AAPL"}
    usual |= {"execution_id": UUID(int=execution), "quantity": D(quantity), "price": D(price)}
    return msgspec.convert({**usual, **changes}, c.ExecuteOrder, strict=False)


def about(kind: type[c.OrderCommand], **changes) -> c.OrderCommand:
    return kind(**{"account_id": ACCOUNT, "order_id": ORDER, "symbol": "AAPL", **changes})


def refused(desk: Desk, refusal: type[Refusal], command: c.Command) -> str:
    """Check that a command is refused and that nothing of it stays, in the log or in memory."""
    stored = len(desk.log)
    with pytest.raises(refusal) as caught:
        desk.send(command)
    assert desk.said(stored) == []
    assert desk.live.items() <= desk.replayed().items()
    return caught.value.detail


def cash(desk: Desk) -> tuple:
    account = desk.load(Account, ACCOUNT, ACCOUNT)
    return account.cash, account.held


def test_somebody_decides_every_command():
    kinds = {k for k in vars(c).values() if isinstance(k, type) and issubclass(k, c.Command)}

    decided = {kind for kind in kinds if handle.dispatch(kind) is not handle.dispatch(object)}

    assert decided == kinds - {c.Command, c.OrderCommand, c.TransferCommand}


def test_an_account_that_was_never_opened_does_not_exist():
    desk = Desk()

    refused(desk, AccountMustExist, c.Deposit(account_id=ACCOUNT, transfer_id=TRANSFER, amount=D("1.00")))

    assert desk.live == {}


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity", "1e15"])
@pytest.mark.parametrize("kind", [c.Deposit, c.Withdraw])
def test_only_whole_cents_are_moved(kind, amount):
    desk = a_desk()

    refused(desk, MoneyMustBeWholeCents, kind(account_id=ACCOUNT, transfer_id=TRANSFER, amount=D(amount)))

    assert cash(desk) == (1000, 0)


def test_an_answer_about_money_says_what_is_there_and_what_is_free():
    desk = a_desk()
    desk.send(place())

    answer = desk.send(c.Withdraw(account_id=ACCOUNT, transfer_id=TRANSFER, amount=D("100.00")))

    assert (answer.cash, answer.held, answer.available) == (D("900.00"), D("500.00"), D("400.00"))
    assert (answer.transfer_id, answer.status) == (TRANSFER, "open")


@pytest.mark.parametrize(
    ("order", "held"),
    [
        (place("buy", "limit", limit_price="99.9999", quantity="0.5"), "50.00"),
        (place("buy", "market", ask="100"), "525.00"),
        (place("buy", "stop", stop_price="110", ask="100"), "577.50"),
        (place("buy", "stop_limit", stop_price="110", limit_price="120"), "600.00"),
        (place("buy", "limit", limit_price="0.0001", quantity="0.000001"), "0.01"),
    ],
)
def test_a_buy_holds_the_most_it_can_cost(order, held):
    desk = a_desk()
    stored = len(desk.log)

    answer = desk.send(order)

    assert desk.said(stored) == ["Account.FundsHeld", "Order.Placed"]
    assert (answer.status, cash(desk)) == ("accepted", (1000, D(held)))


def test_a_sale_reserves_its_shares_and_no_cash():
    desk = a_desk(shares="10")
    stored = len(desk.log)

    desk.send(place("sell", quantity="4"))

    assert desk.said(stored) == ["Order.Placed", "Position.SharesReserved"]
    assert (desk.position(ACCOUNT).free, cash(desk)) == (6, (1000, 0))


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (place("buy", quantity="10.000001"), AvailableCashMustCoverOrder),
        (place("sell", quantity="3.000001"), FreeSharesMustCoverOrder),
        (place("sell", symbol="MSFT"), FreeSharesMustCoverOrder),
        (place("buy", "market", ask=None), SymbolMustBeQuoted),
        (place("buy", "stop", stop_price="110", ask=None), SymbolMustBeQuoted),
    ],
)
def test_an_order_a_rule_refuses_is_kept_as_rejected_and_moves_nothing(order, refusal):
    desk = a_desk(shares="3")
    stored, before = len(desk.log), (cash(desk), desk.position(ACCOUNT).reserved)

    answer = desk.send(order)

    assert desk.said(stored) == ["Order.Rejected"]
    assert (answer.status, answer.reason, answer.leaves_quantity) == ("rejected", refusal.code, 0)
    assert answer.detail
    assert (cash(desk), desk.position(ACCOUNT).reserved) == before


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_suspended_accounts_orders_are_kept_as_rejected(side):
    desk = a_desk(shares="10")
    desk.send(c.SuspendAccount(account_id=ACCOUNT, reason="review"))

    answer = desk.send(place(side))

    assert (answer.status, answer.reason) == ("rejected", AccountMustBeOpenForTrading.code)
    assert desk.said(len(desk.log) - 1) == ["Order.Rejected"]


def test_terms_that_do_not_fit_are_no_order_at_all():
    desk = a_desk()

    refused(desk, OrderTermsMustFitItsType, place("buy", "limit", limit_price=None))

    assert desk.history(ORDER) == []


def test_an_order_id_is_used_once():
    desk = a_desk()
    desk.send(place())

    refused(desk, ClientOrderIdMustBeUnique, place(is_new=False))

    assert desk.order(ORDER).version == 1


@pytest.mark.parametrize(
    "kind", [c.CancelOrder, c.ExpireOrder, c.ReplaceOrder], ids=lambda kind: kind.__name__
)
def test_another_accounts_order_does_not_exist(kind):
    desk = a_desk()
    desk.send(place())
    desk.send(c.OpenAccount(account_id=STRANGER, owner_id=STRANGER))

    refused(desk, OrderMustExist, kind(account_id=STRANGER, order_id=ORDER))

    assert desk.order(ORDER).is_open


def test_a_purchase_moves_cash_hold_order_and_position_together():
    desk = a_desk()
    desk.send(place("buy", "market", ask="100"))
    stored = len(desk.log)

    answer = desk.send(execute("2", "101.005"))

    assert desk.said(stored) == ["Order.Executed", "Account.PurchaseDebited", "Position.LotOpened"]
    assert (answer.status, answer.filled_quantity, answer.average_price) == (
        "partially_filled",
        2,
        D("101.0050"),
    )
    assert cash(desk) == (D("797.99"), D("315.00"))
    assert (desk.position(ACCOUNT).quantity, desk.position(ACCOUNT).cost) == (2, D("202.01"))


def test_the_last_fill_of_a_purchase_frees_what_is_left_of_its_hold():
    desk = a_desk()
    desk.send(place("buy", "market", ask="100"))

    for number, quantity in enumerate(["2", "3"]):
        desk.send(execute(quantity, "99", execution=number))

    assert cash(desk) == (D("505.00"), 0)


def test_a_sale_moves_cash_order_and_position_together():
    desk = a_desk(shares="10", cost="40")
    desk.send(place("sell", quantity="4"))
    stored = len(desk.log)

    desk.send(execute("4", "100.50"))

    assert desk.said(stored) == ["Order.Executed", "Account.SaleCredited", "Position.LotsRelieved"]
    position = desk.position(ACCOUNT)
    assert (position.quantity, position.reserved, position.realised) == (6, 0, D("242.00"))
    assert cash(desk) == (D("1402.00"), 0)


def test_an_execution_reported_twice_is_booked_once():
    desk = a_desk()
    desk.send(place())
    first = desk.send(execute("5"))
    stored = len(desk.log)

    again = desk.send(execute("5"))

    assert desk.said(stored) == []
    assert again == first


@pytest.mark.parametrize(
    ("report", "refusal"),
    [
        (execute("5.000001"), ExecutionMustNotExceedLeaves),
        (execute("1", "100.0001"), ExecutionMustRespectItsLimit),
        (execute("0"), QuantityMustHaveAtMostSixPlaces),
        (execute("1", account_id=STRANGER), OrderMustExist),
        (execute("1", order_id=OTHER_ORDER), OrderMustExist),
    ],
)
def test_an_impossible_execution_is_refused(report, refusal):
    desk = a_desk()
    desk.send(place())

    refused(desk, refusal, report)

    assert desk.order(ORDER).filled == 0


@pytest.mark.parametrize(("kind", "ended"), [(c.CancelOrder, "cancelled"), (c.ExpireOrder, "expired")])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_that_ends_gives_back_its_cover_once(side, kind, ended):
    desk = a_desk(shares="10")
    desk.send(place(side))
    desk.send(execute("2"))
    stored = len(desk.log)

    answers = [desk.send(about(kind)) for _ in range(2)]

    released = "Account.FundsReleased" if side == "buy" else "Position.SharesReleased"
    assert desk.said(stored) == [f"Order.{ended.title()}", released]
    assert answers[0] == answers[1]
    assert (answers[0].status, cash(desk)[1], desk.position(ACCOUNT).reserved) == (ended, 0, 0)


@pytest.mark.parametrize("kind", [c.CancelOrder, c.ExpireOrder])
def test_a_filled_order_can_no_longer_end_otherwise(kind):
    desk = a_desk()
    desk.send(place())
    desk.send(execute("5"))

    refused(desk, OrderMustBeOpen, about(kind))

    assert desk.order(ORDER).status == "filled"


@pytest.mark.parametrize(
    ("change", "held", "fact"),
    [
        ({"quantity": D(8)}, "800.00", "Account.FundsHeld"),
        ({"quantity": D(2)}, "200.00", "Account.FundsReleased"),
        ({"limit_price": D("110.5")}, "552.50", "Account.FundsHeld"),
        ({"limit_price": D("90"), "quantity": D(6)}, "540.00", "Account.FundsHeld"),
    ],
)
def test_a_replaced_purchase_holds_what_it_can_cost_now(change, held, fact):
    desk = a_desk()
    desk.send(place())
    stored = len(desk.log)

    desk.send(about(c.ReplaceOrder, **change))

    assert sorted(desk.said(stored)) == [fact, "Order.Replaced"]
    assert cash(desk) == (1000, D(held))


@pytest.mark.parametrize(("quantity", "reserved"), [("8", 8), ("2", 2)])
def test_a_replaced_sale_reserves_what_it_can_sell_now(quantity, reserved):
    desk = a_desk(shares="10")
    desk.send(place("sell"))

    desk.send(about(c.ReplaceOrder, quantity=D(quantity)))

    assert desk.position(ACCOUNT).reserved_for(ORDER) == reserved
    assert desk.position(ACCOUNT).free == 10 - reserved


@pytest.mark.parametrize(
    ("side", "change", "refusal"),
    [
        ("buy", {"quantity": D("10.000001")}, AvailableCashMustCoverOrder),
        ("buy", {"limit_price": D("200.0001")}, AvailableCashMustCoverOrder),
        ("sell", {"quantity": D("10.000001")}, FreeSharesMustCoverOrder),
        ("buy", {"stop_price": D(5)}, OrderTermsMustFitItsType),
    ],
)
def test_a_replacement_that_cannot_be_covered_leaves_the_order_as_it_was(side, change, refusal):
    desk = a_desk(shares="10")
    desk.send(place(side))

    refused(desk, refusal, about(c.ReplaceOrder, **change))

    order = desk.order(ORDER)
    assert (order.leaves, order.terms.limit_price, order.revision) == (5, 100, 0)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_suspended_account_cannot_enlarge_an_order(side):
    desk = a_desk(shares="10")
    desk.send(place(side))
    desk.send(c.SuspendAccount(account_id=ACCOUNT, reason="review"))

    refused(desk, AccountMustBeOpenForTrading, about(c.ReplaceOrder, quantity=D(6)))

    assert desk.order(ORDER).leaves == 5


def test_a_suspended_account_can_still_take_its_orders_back():
    desk = a_desk()
    desk.send(place())
    desk.send(c.SuspendAccount(account_id=ACCOUNT, reason="review"))

    answer = desk.send(about(c.CancelOrder))

    assert (answer.status, answer.reason) == ("cancelled", "requested")
    assert cash(desk) == (1000, 0)


def test_an_elected_stop_may_trade():
    desk = a_desk()
    desk.send(place("buy", "stop", stop_price="110", ask="100"))
    refused(desk, ExecutionMustRespectItsLimit, execute("1"))

    answer = desk.send(about(c.TriggerOrder, quote=4, elected_by="last", price=D(110)))

    assert answer.triggered_at == NOW
    assert desk.send(execute("5", "112")).status == "filled"


def test_a_venue_accepts_an_order_once():
    desk = a_desk()
    desk.send(place())
    stored = len(desk.log)

    answers = [desk.send(about(c.AcceptOrder, venue=venue)) for venue in ("daybook", "elsewhere")]

    assert desk.said(stored) == ["Order.Accepted"]
    assert answers[0] == answers[1]
    assert (answers[1].venue, answers[1].accepted_at) == ("daybook", NOW)


def test_an_account_with_an_open_order_cannot_be_closed_even_when_nothing_is_held_for_it():
    desk = a_desk(cash="0.01")
    desk.send(place(quantity="99.9", limit_price="0.0001"))
    desk.send(execute("99", "0.0001"))
    desk.send(place("sell", "market", order_id=OTHER_ORDER, quantity="99"))
    desk.send(execute("99", "0.0001", order_id=OTHER_ORDER, execution=10))
    left = cash(desk)[0]
    if left:
        desk.send(c.Withdraw(account_id=ACCOUNT, transfer_id=TRANSFER, amount=left))
    assert desk.order(ORDER).is_open

    refused(desk, AccountMustBeEmpty, c.CloseAccount(account_id=ACCOUNT))


def test_an_account_is_closed_when_it_is_empty():
    desk = a_desk(cash="0")
    stored = len(desk.log)

    answers = [desk.send(c.CloseAccount(account_id=ACCOUNT)) for _ in range(2)]

    assert desk.said(stored) == ["Account.Closed"]
    assert [answer.status for answer in answers] == ["closed", "closed"]


@pytest.mark.parametrize(
    "command",
    [
        place("buy", order_id=OTHER_ORDER),
        place("sell", order_id=OTHER_ORDER),
        place("buy", order_id=OTHER_ORDER, is_new=False),
        about(c.ReplaceOrder, quantity=D(6)),
        about(c.CancelOrder),
        about(c.ExpireOrder),
        about(c.AcceptOrder, venue="daybook"),
        execute("1"),
    ],
    ids=lambda command: type(command).__name__,
)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_command_names_all_that_its_decision_reads(command, side):
    desk = a_desk(shares="10")
    desk.send(place(side))

    desk.send(command)

    named = {stream_id for _, stream_id in command.streams()}
    assert ACCOUNT in named
    assert {aggregate.id for aggregate in desk.read} - {OTHER_ORDER} <= named


def test_trades_too_small_for_a_cent_never_make_money():
    desk = a_desk(cash="1.00")
    for number in range(100, 130):
        order_id = UUID(int=number)
        desk.send(place(order_id=order_id, quantity="0.000021", limit_price="229.29"))
        desk.send(execute(order_id=order_id, quantity="0.000021", price="229.29", execution=number))

    desk.send(place(side="sell", order_id=OTHER_ORDER, quantity="0.00063", limit_price="229.29"))
    desk.send(execute(order_id=OTHER_ORDER, quantity="0.00063", price="229.29", execution=999))

    account = desk.load(Account, ACCOUNT, ACCOUNT)
    assert account.cash == D("0.84")  # 30 cents paid for 14 cents' worth of shares
    assert desk.position(ACCOUNT).is_flat
