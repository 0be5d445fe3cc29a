"""Wash sales as the tax law and Publication 550 tell them, in tables of before and after."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest

from domain.journal import imbalance, postings
from domain.position import Position, position_id
from domain.position.splitting import SplitRatio
from domain.tax import Term
from domain.terms import LotMethod
from domain.trade import Trade
from tests.domain.examples import ACCOUNT, D, names

DAY = date(2024, 3, 15)
FIFO = LotMethod.FIFO


class Trading:
    """Purchases and sales of one symbol by day, each purchase an order of its own unless told otherwise."""

    def __init__(self):
        self.position = Position(id=position_id(ACCOUNT, "XYZ"), account_id=ACCOUNT)
        self.number = 0

    def buy(self, day, shares, cost, *, order=None):
        self.position.open_lot(self._trade(day, shares, cost, order), at=at(day))

    def sell(self, day, shares, proceeds, *, method=FIFO):
        trade = self._trade(day, shares, proceeds, 999)
        self.position.reserve(D(shares), symbol="XYZ", order_id=trade.order_id, at=at(day))
        self.position.relieve(trade, method=method, at=at(day))

    @property
    def washed(self):
        """Shares and dollars of each wash sale."""
        kind = Position.WashSaleDisallowed
        return [(e.quantity, e.disallowed) for e in self.position.pending if isinstance(e, kind)]

    @property
    def lots(self):
        """Shares, cost and the day from which they count as owned."""
        return [(lot.quantity, lot.cost, lot.owned_since) for lot in self.position.lots]

    def _trade(self, day, shares, amount, order):
        self.number += 1
        return Trade(
            order_id=UUID(int=order or self.number),
            execution_id=UUID(int=5000 + self.number),
            symbol="XYZ",
            quantity=D(shares),
            price=D(1),
            amount=D(amount),
            street=D(amount),
            leaves_quantity=D(0),
            trade_date=day,
            settles_on=day + timedelta(days=1),
        )


def at(day):
    return datetime.combine(day, time(15, 30), tzinfo=UTC)


def days(number):
    return DAY + timedelta(days=number)


def test_publication_550_the_loss_goes_into_the_cost_of_the_shares_bought_again():
    """You buy 100 shares for 1,000, sell them for 750 and buy 100 again for 800 within 30 days: basis 1,050."""
    trading = Trading()
    trading.buy(days(-200), "100", "1000.00")

    trading.sell(DAY, "100", "750.00")
    trading.buy(days(10), "100", "800.00")

    assert trading.washed == [(100, 250)]
    assert trading.lots == [(100, 1050, days(10 - 200))]
    assert trading.position.realised == 0
    assert trading.position.losses == []


@pytest.mark.parametrize(("later", "is_washed"), [(0, True), (30, True), (31, False)])
def test_a_purchase_after_a_loss_replaces_it_up_to_the_thirtieth_day(later, is_washed):
    trading = Trading()
    trading.buy(days(-100), "10", "100.00")
    trading.sell(DAY, "10", "60.00")

    trading.buy(days(later), "10", "70.00")

    assert trading.washed == ([(10, 40)] if is_washed else [])
    assert trading.lots[0][1] == (110 if is_washed else 70)
    assert trading.position.realised == (0 if is_washed else -40)


@pytest.mark.parametrize(("before", "is_washed"), [(0, True), (30, True), (31, False)])
def test_a_purchase_before_a_loss_replaces_it_from_the_thirtieth_day_on(before, is_washed):
    trading = Trading()
    trading.buy(days(-100), "10", "100.00")
    trading.buy(days(-before), "10", "70.00")

    trading.sell(DAY, "10", "60.00")

    assert trading.washed == ([(10, 40)] if is_washed else [])
    since = days(-before - 100) if is_washed else days(-before)
    assert trading.lots == [(10, 110 if is_washed else 70, since)]


def test_fewer_shares_bought_than_sold_the_loss_on_the_others_stands():
    """1.1091-1(h) example 2 in small: 100 sold at a loss of 500, 75 bought: 375 are not allowed."""
    trading = Trading()
    trading.buy(days(-100), "100", "1000.00")
    trading.sell(DAY, "100", "500.00")

    trading.buy(days(5), "75", "400.00")

    assert trading.washed == [(75, 375)]
    assert trading.position.realised == -125
    assert [(loss.quantity, loss.amount) for loss in trading.position.losses] == [(25, 125)]


def test_more_shares_bought_than_sold_only_as_many_replace_and_become_a_lot_of_their_own():
    trading = Trading()
    trading.buy(days(-100), "10", "100.00")
    trading.sell(DAY, "10", "70.00")

    trading.buy(days(5), "30", "100.00")

    assert trading.lots == [(20, D("66.67"), days(5)), (10, D("63.33"), days(5 - 100))]
    ids = [lot.lot_id for lot in trading.position.lots]
    assert len(set(ids)) == 2
    assert sum(cost for _, cost, _ in trading.lots) == 100 + 30


def test_purchases_replace_in_their_order_and_losses_are_replaced_in_theirs():
    trading = Trading()
    trading.buy(days(-100), "10", "100.00")
    trading.buy(days(-90), "10", "100.00")
    trading.sell(DAY, "10", "90.00")
    trading.sell(days(1), "10", "50.00")

    trading.buy(days(2), "5", "40.00")
    trading.buy(days(3), "10", "80.00")

    assert trading.washed == [(5, 5), (5, 5), (5, 25)]
    assert trading.position.realised == -25


def test_shares_replace_once():
    trading = Trading()
    trading.buy(days(-100), "10", "100.00")
    trading.buy(days(-90), "10", "100.00")
    trading.sell(DAY, "10", "90.00")
    trading.buy(days(1), "10", "80.00")

    trading.sell(days(2), "10", "50.00")

    assert trading.washed == [(10, 10)], "the second loss finds no shares that have not replaced others"
    assert trading.position.realised == -50


def test_the_rest_of_a_purchase_does_not_replace_its_own_shares():
    """Rev. Rul. 56-602: one lot, sold in part soon after; here filled in two executions of one order."""
    trading = Trading()
    trading.buy(days(-5), "10", "100.00", order=7)
    trading.buy(days(-5), "10", "100.00", order=7)

    trading.sell(DAY, "15", "90.00")

    assert trading.washed == []
    assert trading.position.realised == -60


def test_but_another_purchase_of_the_days_before_does():
    trading = Trading()
    trading.buy(days(-5), "10", "100.00", order=7)
    trading.buy(days(-4), "10", "100.00", order=8)

    trading.sell(DAY, "10", "60.00")

    assert trading.washed == [(10, 40)]


def test_a_gain_is_never_washed_and_lots_are_judged_one_by_one():
    trading = Trading()
    trading.buy(days(-100), "10", "50.00")
    trading.buy(days(-90), "10", "100.00")

    trading.sell(DAY, "20", "140.00")
    trading.buy(days(1), "20", "140.00")

    assert trading.washed == [(10, 30)], "70.00 for each lot: a gain of 20.00 and a loss of 30.00"
    assert trading.position.realised == 20


def test_the_holding_period_tacks_on_so_that_a_later_sale_may_be_long_term():
    trading = Trading()
    trading.buy(days(-300), "10", "100.00")
    trading.sell(DAY, "10", "60.00")
    trading.buy(days(10), "10", "70.00")

    trading.sell(days(10 + 70), "10", "200.00")

    (sale,) = [e for e in trading.position.pending if isinstance(e, Position.LotsRelieved)][1:]
    accounts = {line.account.rpartition(":")[2]: line.amount for line in postings(sale)}
    assert accounts["LongTerm"] == -(200 - 110)
    first = next(e for e in trading.position.pending if isinstance(e, Position.WashSaleDisallowed))
    assert first.term is Term.SHORT


def test_the_books_move_the_loss_into_the_cost():
    trading = Trading()
    trading.buy(days(-100), "10", "100.00")
    trading.sell(DAY, "10", "60.00")
    trading.buy(days(1), "20", "140.00")

    event = trading.position.pending[-1]
    lines = postings(event)

    assert imbalance(lines) == {}
    assert [(line.account.rpartition(f"C{ACCOUNT}:")[2], line.amount, line.cost) for line in lines] == [
        ("Pos:XYZ", -10, -70),
        ("Pos:XYZ", 10, 110),
        ("Realised:WashDisallowed", -40, None),
    ]


def test_a_split_between_sale_and_purchase_counts_new_shares_for_old():
    trading = Trading()
    trading.buy(days(-100), "20", "200.00")
    trading.sell(DAY, "10", "60.00")
    trading.position.split(
        SplitRatio(numerator=2, denominator=1),
        action_id=UUID(int=1),
        symbol="XYZ",
        acquired_before=at(days(1)),
        at=at(days(1)),
    )

    trading.buy(days(2), "5", "25.00")

    assert trading.washed == [(5, 10)]
    assert [(loss.quantity, loss.amount) for loss in trading.position.losses] == [(15, 30)]


def test_what_is_out_of_the_window_is_forgotten():
    trading = Trading()
    trading.buy(days(-100), "20", "200.00")
    trading.sell(DAY, "10", "60.00")

    trading.buy(days(31), "1", "7.00")

    assert trading.position.losses == []
    assert names(trading.position).count("WashSaleDisallowed") == 0
