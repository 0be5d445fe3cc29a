"""A split in one account: worked examples, and whatever the account had before."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from application import commands as c
from application import corporate as f
from domain.account import Account
from domain.order import Order
from domain.position import Position, position_id
from domain.terms import OrderType, Side, TimeInForce
from domain.values import NO_SHARES, NOTHING
from tests.application.desk import Desk
from tests.domain.examples import ACCOUNT, NOW, OWNER, TRANSFER
from tests.ledger.books import Books

D = Decimal
SYMBOL = "AAPL"
ACTION, OTHER_ACTION = UUID(int=0x5711), UUID(int=0x5712)
EX = NOW + timedelta(days=1)
RATIOS = [(7, 1), (2, 1), (3, 2), (5, 4), (1, 10), (1, 7), (403, 400), (1, 1000)]


class Customer:
    """One customer with cash, on a desk of its own."""

    def __init__(self, cash: str = "1000000.00") -> None:
        self.desk = Desk()
        self.desk.send(c.OpenAccount(account_id=ACCOUNT, owner_id=OWNER))
        self.desk.send(c.Deposit(account_id=ACCOUNT, transfer_id=TRANSFER, amount=D(cash)))
        self.count = 0

    def place(
        self, side: Side, quantity: Decimal, *, limit: Decimal | None = None, stop: Decimal | None = None
    ) -> UUID:
        """Place an order; without a limit and stop it goes by an ask of 100."""
        self.count += 1
        order_id = UUID(int=0x1000 + self.count)
        kinds = {(False, False): OrderType.MARKET, (True, False): OrderType.LIMIT}
        kinds |= {(False, True): OrderType.STOP, (True, True): OrderType.STOP_LIMIT}
        self.desk.send(
            c.PlaceOrder(
                account_id=ACCOUNT,
                order_id=order_id,
                symbol=SYMBOL,
                side=side,
                type=kinds[limit is not None, stop is not None],
                quantity=quantity,
                limit_price=limit,
                stop_price=stop,
                time_in_force=TimeInForce.GTC,
                ask=D(100),
            )
        )
        return order_id

    def fill(self, order_id: UUID, quantity: Decimal, price: Decimal) -> None:
        self.count += 1
        self.desk.send(
            c.ExecuteOrder(
                account_id=ACCOUNT,
                order_id=order_id,
                execution_id=UUID(int=0x2000 + self.count),
                quantity=quantity,
                price=price,
                venue="SIM",
                quote=self.count,
            )
        )

    def buy(self, quantity: Decimal, price: Decimal) -> None:
        self.fill(self.place(Side.BUY, quantity, limit=price), quantity, price)

    def split(self, ratio: tuple[int, int], **more: Any) -> None:
        """Apply the split as its ex-date begins."""
        self.desk.now = max(self.desk.now, EX)
        usual = {"action_id": ACTION, "effective_at": EX, "cash_in_lieu": None}
        numerator, denominator = ratio
        self.desk.send(
            f.ApplySplit(
                account_id=ACCOUNT,
                symbol=SYMBOL,
                numerator=numerator,
                denominator=denominator,
                **{**usual, **more},
            )
        )

    @property
    def account(self) -> Account:
        return self.desk.load(Account, ACCOUNT, ACCOUNT)

    @property
    def position(self) -> Position:
        return self.desk.load(Position, position_id(ACCOUNT, SYMBOL), ACCOUNT)

    def require_sound(self) -> None:
        """All that must hold of the aggregates and of the books."""
        account, position = self.account, self.position
        assert sum((lot.quantity for lot in position.lots), NO_SHARES) == position.quantity
        assert account.shares.get(SYMBOL, NO_SHARES) == position.quantity
        assert NO_SHARES <= position.reserved <= position.quantity
        assert position.reserved == sum(position.reserves.values(), NO_SHARES)
        assert NOTHING <= account.held == sum(account.holds.values(), NOTHING) <= account.cash
        assert all(lot.quantity > 0 and lot.cost >= 0 for lot in position.lots)
        for order in self.orders():
            if order.is_open:
                self.require_covered(order)
        books = Books.of(self.desk.log)
        books.require_account(account, [position])
        books.require_the_firm_to_be_sound([SYMBOL], [account])
        assert self.desk.replayed() == {**self.desk.replayed(), **self.desk.live}

    def require_covered(self, order: Order) -> None:
        assert order.terms is not None and order.leaves > 0  # noqa: PT018
        if order.terms.is_buy:
            assert order.cover <= self.account.held_for(order.id)
        else:
            assert order.leaves == self.position.reserved_for(order.id)

    def orders(self) -> list[Order]:
        return [one for one in self.desk.replayed().values() if isinstance(one, Order)]


def test_seven_for_one_changes_shares_orders_and_prices_and_neither_cost_nor_cash() -> None:
    customer = Customer()
    customer.buy(D(40), D("640.00"))
    customer.buy(D(60), D("645.57"))
    resting_buy = customer.place(Side.BUY, D(10), limit=D("600.00"))
    resting_sale = customer.place(Side.SELL, D(30), limit=D("700.00"))
    stop = customer.place(Side.SELL, D(5), stop=D("500.00"))
    cash, held, cost = customer.account.cash, customer.account.held, customer.position.cost

    customer.split((7, 1))

    position = customer.position
    assert [(lot.quantity, lot.cost) for lot in position.lots] == [
        (D(280), D("25600.00")),
        (D(420), D("38734.20")),
    ]
    assert (position.quantity, position.cost, position.reserved) == (D(700), cost, D(245))
    assert (customer.account.cash, customer.account.held) == (cash, held)
    buying, selling, stopping = (customer.desk.order(one) for one in (resting_buy, resting_sale, stop))
    assert (buying.terms.quantity, buying.terms.limit_price) == (D(70), D("85.7142"))
    assert (selling.terms.quantity, selling.terms.limit_price) == (D(210), D("100.0000"))
    assert (stopping.terms.quantity, stopping.terms.stop_price) == (D(35), D("71.4286"))
    customer.require_sound()


def test_a_part_filled_order_keeps_what_it_has_traded_in_new_shares() -> None:
    customer = Customer()
    order_id = customer.place(Side.BUY, D(10), limit=D("90.00"))
    customer.fill(order_id, D(4), D("90.00"))

    customer.split((3, 2))

    order = customer.desk.order(order_id)
    assert (order.filled, order.leaves, order.terms.quantity) == (D(6), D(9), D(15))
    assert (order.average_price, order.spent, order.terms.limit_price) == (D(60), D("360.00"), D(60))
    assert customer.account.held == D("540.00")
    customer.fill(order_id, D(9), D("60.00"))
    assert customer.desk.order(order_id).status == "filled"
    assert customer.account.held == NOTHING
    customer.require_sound()


def test_a_fraction_of_a_share_is_paid_in_cash_out_of_the_oldest_lots() -> None:
    customer = Customer()
    customer.buy(D(11), D("10.00"))
    customer.buy(D(14), D("20.00"))
    cash = customer.account.cash

    customer.split((1, 10), cash_in_lieu=D("150.00"))

    position = customer.position
    assert position.quantity == D(2)
    assert [lot.quantity for lot in position.lots] == [D("0.6"), D("1.4")]
    assert position.cost + D("50.00") == D("390.00")  # 0.5 of the 1.1 shares that have cost 110.00
    assert position.realised == D("25.00")
    assert customer.account.cash == cash + D("75.00")
    customer.require_sound()


def test_a_fraction_is_kept_when_nothing_is_paid_for_it() -> None:
    customer = Customer()
    customer.buy(D(10), D("10.00"))

    customer.split((1, 7))

    assert (customer.position.quantity, customer.position.cost) == (D("1.428571"), D("100.00"))
    customer.require_sound()


def test_three_lots_of_one_share_are_one_share_after_a_reverse_split() -> None:
    customer = Customer()
    for _ in range(3):
        customer.buy(D(1), D("10.00"))

    customer.split((1, 3), cash_in_lieu=D("30.00"))

    assert customer.position.quantity == D(1)
    assert "Account.CashInLieuPaid" not in customer.desk.said(0)
    customer.require_sound()


def test_an_order_that_comes_to_nothing_is_cancelled_and_its_cover_released() -> None:
    customer = Customer()
    customer.buy(D(100), D("10.00"))
    buying = customer.place(Side.BUY, D(9), limit=D("9.00"))
    selling = customer.place(Side.SELL, D(5), limit=D("11.00"))

    customer.split((1, 10))

    for order_id in (buying, selling):
        assert customer.desk.order(order_id).status == "cancelled"
        assert customer.desk.order(order_id).reason == "corporate_action"
    assert (customer.account.held, customer.position.reserved) == (NOTHING, NO_SHARES)
    assert customer.account.holds == {}
    customer.require_sound()


def test_an_order_that_comes_to_nothing_leaves_no_hold_of_nothing() -> None:
    customer = Customer()
    tiny = customer.place(Side.BUY, D("0.000002"), limit=D("0.0100"))
    after = customer.place(Side.BUY, D(1), limit=D("0.0001"))

    customer.split((1, 10))

    assert {customer.desk.order(order_id).status for order_id in (tiny, after)} == {"cancelled"}
    assert customer.account.holds == {}
    customer.require_sound()


def test_an_order_that_a_split_cancels_leaves_no_hold_behind() -> None:
    customer = Customer("100.00")
    ids = [customer.place(Side.BUY, D(1), limit=limit) for limit in (D("50"), D("0.0001"))]
    customer.split((1, 7))
    assert [customer.desk.order(order_id).status for order_id in ids] == ["cancelled", "cancelled"]

    customer.desk.send(c.Withdraw(account_id=ACCOUNT, transfer_id=UUID(int=9), amount=D("100.00")))
    customer.desk.send(c.CloseAccount(account_id=ACCOUNT))

    assert customer.account.holds == {}


def test_what_is_unsettled_settles_in_the_shares_it_was_traded_in() -> None:
    customer = Customer()
    customer.buy(D(100), D("10.00"))
    sale = customer.place(Side.SELL, D(30), limit=D("11.00"))
    customer.fill(sale, D(30), D("11.00"))

    customer.split((1, 10))
    customer.require_sound()
    customer.desk.send(c.Settle(account_id=ACCOUNT, through=EX.date()))

    assert customer.account.unsettled == {}
    assert customer.position.quantity == D(7)
    customer.require_sound()


def test_a_split_is_applied_once() -> None:
    customer = Customer()
    customer.buy(D(10), D("10.00"))
    customer.place(Side.BUY, D(10), limit=D("9.00"))
    customer.split((7, 1))
    before = len(customer.desk.log)

    customer.split((7, 1))

    assert len(customer.desk.log) == before
    assert customer.position.quantity == D(70)


def test_a_split_finds_the_orders_of_an_account_without_shares() -> None:
    customer = Customer()
    order_id = customer.place(Side.BUY, D(10), limit=D("70.00"))
    customer.split((7, 1))
    before = len(customer.desk.log)

    customer.split((7, 1))

    assert customer.desk.order(order_id).terms.limit_price == D("10.0000")
    assert len(customer.desk.log) == before
    customer.require_sound()


def test_an_account_that_has_nothing_of_the_symbol_records_nothing() -> None:
    customer = Customer()
    before = len(customer.desk.log)

    customer.split((7, 1))

    assert len(customer.desk.log) == before


def test_shares_and_orders_of_after_the_ex_date_are_left_alone_but_sales_that_nobody_counted() -> None:
    customer = Customer()
    customer.buy(D(10), D("70.00"))
    customer.desk.now = EX + timedelta(hours=1)
    customer.buy(D(5), D("10.00"))
    buying = customer.place(Side.BUY, D(5), limit=D("9.00"))
    selling = customer.place(Side.SELL, D(12), limit=D("11.00"))

    customer.split((7, 1))

    assert [lot.quantity for lot in customer.position.lots] == [D(70), D(5)]
    assert customer.desk.order(buying).terms.quantity == D(5)
    assert customer.desk.order(selling).status == "cancelled"
    customer.require_sound()


def test_two_splits_follow_one_another() -> None:
    customer = Customer()
    customer.buy(D(10), D("10.00"))
    customer.place(Side.SELL, D(4), limit=D("12.00"))
    customer.split((3, 2))

    customer.split((1, 5), action_id=OTHER_ACTION, cash_in_lieu=None)

    assert customer.position.quantity == D(3)
    assert customer.position.cost == D("100.00")
    customer.require_sound()


prices = st.integers(5_000, 900_000).map(lambda n: D(n) / 10_000)
quantities = st.integers(1, 300).map(D) | st.integers(1, 9_000_000).map(lambda n: D(n) / 1_000_000)
orders = st.tuples(
    st.sampled_from(Side),
    quantities,
    st.none() | prices,
    st.none() | prices,
    st.sampled_from([D(0), D("0.3"), D("0.999999")]),
)


@given(
    lots=st.lists(st.tuples(quantities, prices), max_size=5),
    wanted=st.lists(orders, max_size=6),
    ratio=st.sampled_from(RATIOS) | st.tuples(st.integers(1, 50), st.integers(1, 50)),
    cash_in_lieu=st.none() | prices,
    settles=st.booleans(),
)
@example(lots=[(D("0.000001"), D(1))], wanted=[], ratio=(1, 10), cash_in_lieu=D(1), settles=False)
def test_whatever_was_there_a_split_leaves_value_and_basis_and_nothing_uncovered(
    lots: Any, wanted: Any, ratio: tuple[int, int], cash_in_lieu: Decimal | None, settles: bool
) -> None:
    customer = Customer()
    for quantity, price in lots:
        customer.buy(quantity, price)
    for side, quantity, limit, stop, part in wanted:
        order_id = customer.place(side, quantity, limit=limit, stop=stop)
        order = customer.desk.order(order_id)
        filled = (quantity * part).quantize(D("0.000001"))
        if order.is_open and filled and stop is None:
            customer.fill(order_id, filled, limit or D(100))
    if settles:
        customer.desk.now = EX
        customer.desk.send(c.Settle(account_id=ACCOUNT, through=EX.date()))
    customer.require_sound()
    before, position = customer.account, customer.position
    kept = (before.cash, before.held, position.cost, position.realised, position.quantity)
    dates = [(lot.lot_id, lot.acquired_at, lot.cost) for lot in position.lots]

    customer.split(ratio, cash_in_lieu=cash_in_lieu)

    cash, held, cost, realised, quantity = kept
    account, position = customer.account, customer.position
    customer.require_sound()
    assert account.held <= held
    # Cash for a fraction is what left the lots at cost, and the profit on it: nothing else came or went.
    assert account.cash - cash == (cost - position.cost) + (position.realised - realised)
    if cash_in_lieu is None or ratio[0] % ratio[1] == 0:
        assert (account.cash, position.cost, position.realised) == (cash, cost, realised)
        assert [(lot.lot_id, lot.acquired_at, lot.cost) for lot in position.lots] == dates
        exact = quantity * ratio[0] / ratio[1]
        assert abs(position.quantity - exact) <= D("0.000001") * max(1, len(dates))
    else:
        assert position.quantity == position.quantity.to_integral_value()
    again = len(customer.desk.log)
    customer.split(ratio, cash_in_lieu=cash_in_lieu)
    assert len(customer.desk.log) == again


@pytest.mark.parametrize("ratio", [(7, 1), (3, 2), (1, 10)])
def test_a_resting_order_fills_at_the_new_price_out_of_the_new_hold(ratio: tuple[int, int]) -> None:
    customer = Customer()
    order_id = customer.place(Side.BUY, D(100), limit=D("70.00"))

    customer.split(ratio)

    order = customer.desk.order(order_id)
    customer.fill(order_id, order.leaves, order.terms.limit_price)
    assert customer.desk.order(order_id).status == "filled"
    assert customer.account.held == NOTHING
    customer.require_sound()
