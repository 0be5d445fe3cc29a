"""Which lots a sale takes: as its order says, else as the account says, else the oldest."""

from uuid import UUID, uuid4

import pytest

from application import commands as c
from domain.errors import (
    LotMethodMustStandByItself,
    LotsMustCoverOrder,
    OrderTermsMustFitItsType,
    ReplacementMustChangeSomething,
)
from domain.position import Position
from domain.terms import LotChoice, LotMethod, OrderType, Side
from tests.application.desk import Desk
from tests.domain.examples import ACCOUNT, OWNER, D

LOTS = {
    "1.00": UUID(int=501),
    "3.00": UUID(int=503),
    "2.00": UUID(int=502),
}  # by price, in the order of purchase
FIRST, DEAR, LAST = LOTS.values()


@pytest.fixture
def desk():
    """Three lots of 10 shares, bought for 1, 3 and 2 dollars a share."""
    desk = Desk()
    desk.send(c.OpenAccount(account_id=ACCOUNT, owner_id=OWNER))
    desk.send(c.Deposit(account_id=ACCOUNT, transfer_id=uuid4(), amount=D("1000.00")))
    for price, lot_id in LOTS.items():
        order_id = uuid4()
        desk.send(order(Side.BUY, "10", order_id=order_id, price=price))
        desk.send(fill(order_id, "10", price, execution_id=lot_id))
    return desk


def order(side, quantity, *, order_id=None, price="1.00", **terms):
    return c.PlaceOrder(
        account_id=ACCOUNT,
        order_id=order_id or uuid4(),
        symbol="AAPL",
        side=side,
        type=OrderType.LIMIT,
        quantity=D(quantity),
        limit_price=D(price),
        **terms,
    )


def fill(order_id, quantity, price, *, execution_id=None):
    return c.ExecuteOrder(
        account_id=ACCOUNT,
        order_id=order_id,
        execution_id=execution_id or uuid4(),
        quantity=D(quantity),
        price=D(price),
        venue="internal",
        quote=1,
    )


def choice(*lots):
    return tuple(LotChoice(lot_id=lot_id, quantity=D(quantity)) for lot_id, quantity in lots)


def sell(desk, quantity, *, filled=None, price="3.00", **terms):
    """Sell, and answer what was taken and by which method."""
    command = order(Side.SELL, quantity, price=price, **terms)
    answer = desk.send(command)
    assert answer.status == "accepted", answer.detail
    desk.send(fill(command.order_id, filled or quantity, price))
    return last_sale(desk)


def last_sale(desk):
    sale = next(e for e in reversed(desk.log) if isinstance(e, Position.LotsRelieved))
    return [(relief.lot_id, relief.quantity) for relief in sale.relieved], sale.method


@pytest.mark.parametrize(
    ("method", "taken"),
    [
        (None, [(FIRST, 10), (DEAR, 2)]),
        (LotMethod.FIFO, [(FIRST, 10), (DEAR, 2)]),
        (LotMethod.LIFO, [(LAST, 10), (DEAR, 2)]),
        (LotMethod.HIFO, [(DEAR, 10), (LAST, 2)]),
    ],
)
def test_a_method_chooses_the_lots(desk, method, taken):
    assert sell(desk, "12", lot_method=method) == (taken, (method or LotMethod.FIFO).value)


@pytest.mark.parametrize("method", [LotMethod.LIFO, LotMethod.HIFO])
def test_the_accounts_method_holds_for_orders_that_name_none(desk, method):
    desk.send(c.ChooseLotMethod(account_id=ACCOUNT, method=method))
    length = len(desk.log)

    desk.send(c.ChooseLotMethod(account_id=ACCOUNT, method=method))

    assert desk.said(length) == []
    assert sell(desk, "1")[1] == method.value
    assert sell(desk, "1", lot_method=LotMethod.FIFO)[1] == "fifo"


def test_specific_lots_are_no_standing_order(desk):
    with pytest.raises(LotMethodMustStandByItself):
        desk.send(c.ChooseLotMethod(account_id=ACCOUNT, method=LotMethod.SPECIFIC))


def test_named_lots_are_taken_in_their_order_over_several_fills(desk):
    command = order(Side.SELL, "12", price="3.00", lots=choice((LAST, "5"), (FIRST, "7")))
    desk.send(command)

    desk.send(fill(command.order_id, "4", "3.00"))
    first = last_sale(desk)
    desk.send(fill(command.order_id, "4", "3.00"))
    second = last_sale(desk)
    desk.send(fill(command.order_id, "4", "3.00"))

    assert first == ([(LAST, 4)], "specific")
    assert second == ([(LAST, 1), (FIRST, 3)], "specific")
    assert last_sale(desk) == ([(FIRST, 4)], "specific")
    assert desk.position(ACCOUNT).claims == {}


@pytest.mark.parametrize(
    "lots",
    [
        choice((FIRST, "10.000001"), (DEAR, "5")),
        choice((UUID(int=9), "12")),
        choice((DEAR, "11"), (LAST, "1")),
    ],
)
def test_lots_that_are_not_there_or_not_enough_are_refused_at_placing(desk, lots):
    answer = desk.send(order(Side.SELL, "12", lots=lots))

    assert (answer.status, answer.reason) == ("rejected", LotsMustCoverOrder.code)
    assert desk.position(ACCOUNT).reserved == 0


def test_lots_that_another_order_has_named_are_not_free(desk):
    first = order(Side.SELL, "6", price="9.00", lots=choice((LAST, "6")))
    desk.send(first)

    refused = desk.send(order(Side.SELL, "5", lots=choice((LAST, "5"))))
    fits = desk.send(order(Side.SELL, "4", price="9.00", lots=choice((LAST, "4"))))
    desk.send(c.CancelOrder(account_id=ACCOUNT, order_id=first.order_id))
    again = desk.send(order(Side.SELL, "6", lots=choice((LAST, "6"))))

    assert (refused.status, fits.status, again.status) == ("rejected", "accepted", "accepted")
    assert refused.detail == f"4.000000 shares of lot {LAST} are free, 5.000000 would be sold"


def test_named_lots_that_are_gone_are_made_up_for_by_the_oldest(desk):
    waiting = order(Side.SELL, "8", price="3.00", lots=choice((FIRST, "8")))
    desk.send(waiting)
    sell(desk, "5")  # the oldest go first, named or not

    desk.send(fill(waiting.order_id, "6", "3.00"))
    partly = last_sale(desk)
    desk.send(fill(waiting.order_id, "2", "3.00"))

    assert partly == ([(FIRST, 5), (DEAR, 1)], "specific_then_fifo")
    assert last_sale(desk) == ([(DEAR, 2)], "fifo")


@pytest.mark.parametrize(
    "terms",
    [
        {"lot_method": LotMethod.SPECIFIC},
        {"lot_method": LotMethod.FIFO, "lots": choice((FIRST, "1"))},
        {"lots": choice((FIRST, "1"), (FIRST, "1"))},
        {"lots": choice((FIRST, "0.5"))},
        {"lots": ()},
    ],
)
def test_a_choice_that_does_not_fit_is_no_order(desk, terms):
    with pytest.raises(OrderTermsMustFitItsType):
        desk.send(order(Side.SELL, "1", **terms))


def test_a_buy_chooses_no_lots(desk):
    with pytest.raises(OrderTermsMustFitItsType):
        desk.send(order(Side.BUY, "1", lot_method=LotMethod.LIFO))


def test_a_replacement_keeps_the_choice(desk):
    command = order(Side.SELL, "8", price="3.00", lots=choice((LAST, "8")))
    desk.send(command)

    answer = desk.send(c.ReplaceOrder(account_id=ACCOUNT, order_id=command.order_id, limit_price=D("2.50")))
    with pytest.raises(OrderTermsMustFitItsType):
        desk.send(c.ReplaceOrder(account_id=ACCOUNT, order_id=command.order_id, quantity=D(9)))
    fewer = desk.send(c.ReplaceOrder(account_id=ACCOUNT, order_id=command.order_id, quantity=D(6)))
    with pytest.raises(ReplacementMustChangeSomething):
        desk.send(c.ReplaceOrder(account_id=ACCOUNT, order_id=command.order_id, quantity=D(6)))
    desk.send(fill(command.order_id, "6", "3.00"))

    assert (answer.lot_method, answer.lots) == (LotMethod.SPECIFIC, choice((LAST, "8.000000")))
    assert fewer.lots == answer.lots
    assert last_sale(desk) == ([(LAST, 6)], "specific")


def test_a_claim_follows_the_part_of_its_lot_that_a_wash_sale_sets_apart(desk):
    waiting = order(Side.SELL, "8", price="3.00", lots=choice((LAST, "8")))
    desk.send(waiting)

    sell(desk, "4", price="1.00", lot_method=LotMethod.HIFO)  # a loss that shares of the oldest lot replace
    sell(desk, "6", price="1.00", lots=choice((DEAR, "6")))
    sell(desk, "1", price="1.00", lots=choice((LAST, "1")))
    desk.send(fill(waiting.order_id, "8", "3.00"))

    taken, method = last_sale(desk)
    assert method == "specific"
    assert sum(quantity for _, quantity in taken) == 8
    assert len(desk.replayed()) == len({event.originator_id for event in desk.log})
    assert desk.replayed()[desk.position(ACCOUNT).id] == desk.position(ACCOUNT)
