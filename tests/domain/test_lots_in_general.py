"""Any purchases and sales, by any method, on any days: lots, losses and gains are what a row of single shares says."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.journal import imbalance, postings
from domain.position import Position, position_id
from domain.terms import LotMethod
from domain.trade import Trade
from domain.values import NOTHING
from tests.domain.examples import ACCOUNT, D, replayed, snapshot
from tests.domain.lots_by_hand import ByHand

METHODS = [LotMethod.FIFO, LotMethod.LIFO, LotMethod.HIFO]


class Lots(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.position = Position(id=position_id(ACCOUNT, "AAPL"), account_id=ACCOUNT)
        self.by_hand, self.history = ByHand(), []
        self.day, self.number = date(2024, 1, 10), 0

    @rule(days=st.sampled_from([1, 5, 29, 30, 31, 366]))
    def pass_time(self, days):
        self.day += timedelta(days=days)

    @rule(shares=st.integers(1, 6), price=st.integers(1, 9), order=st.integers(1, 3))
    def buy(self, shares, price, order):
        trade = self.trade(shares, price, order=self.number * 10 if order == 1 else order)
        self.position.open_lot(trade, at=self.at)
        self.by_hand.buy(self.number, shares, price, self.day, order=trade.order_id.int)
        self.keep()

    @precondition(lambda self: self.position.quantity)
    @rule(shares=st.integers(1, 12), price=st.integers(1, 9), method=st.sampled_from(METHODS))
    def sell(self, shares, price, method):
        shares = min(shares, int(self.position.quantity))
        trade = self.trade(shares, price, order=999)
        self.position.reserve(D(shares), symbol="AAPL", order_id=trade.order_id, at=self.at)
        self.position.relieve(trade, method=method, at=self.at)
        self.by_hand.sell(self.number, self.by_hand.pick(shares, method.value), price, self.day)
        self.keep()

    @property
    def at(self):
        return datetime.combine(self.day, time(15, 30), tzinfo=UTC)

    def trade(self, shares, price, *, order):
        self.number += 1
        return Trade(
            order_id=UUID(int=order),
            execution_id=UUID(int=5000 + self.number),
            symbol="AAPL",
            quantity=D(shares),
            price=D(price),
            amount=D(shares * price).quantize(NOTHING),
            street=D(shares * price),
            leaves_quantity=D(0),
            trade_date=self.day,
            settles_on=self.day + timedelta(days=1),
        )

    def keep(self):
        for event in self.position.pending:
            assert imbalance(postings(event)) == {}, event
        self.history += self.position.pending
        self.position.pending.clear()

    @invariant()
    def lots_and_days_are_those_of_the_shares(self):
        found = [
            (lot.quantity, lot.cost, lot.bought_on, lot.owned_since, lot.replaces is not None)
            for lot in self.position.lots
        ]
        assert found == self.by_hand.lots()
        assert len({lot.lot_id for lot in self.position.lots}) == len(found)

    @invariant()
    def losses_that_wait_are_those_of_the_shares(self):
        found = [
            (loss.sold_on, loss.owned_since, loss.quantity, loss.amount) for loss in self.position.losses
        ]
        assert found == [
            (one.day, one.since, one.shares, one.shares * one.each) for one in self.by_hand.losses
        ]

    @invariant()
    def what_is_disallowed_is_what_the_shares_say(self):
        found = [
            (event.execution_id.int - 5000, event.quantity, event.disallowed)
            for event in self.history
            if isinstance(event, Position.WashSaleDisallowed)
        ]
        assert found == self.by_hand.washed
        assert self.position.realised == self.by_hand.realised

    @invariant()
    def history_and_snapshot_give_the_same_position(self):
        assert replayed(self.position, self.history) == self.position == snapshot(self.position)


class Cents(RuleBasedStateMachine):
    """The same with parts of shares and odd cents: no cent is created or lost."""

    @initialize()
    def begin(self):
        self.position = Position(id=position_id(ACCOUNT, "AAPL"), account_id=ACCOUNT)
        self.day, self.number = date(2024, 1, 10), 0
        self.paid = self.received = self.disallowed = self.profits = NOTHING

    @rule(days=st.sampled_from([1, 15, 30, 31]))
    def pass_time(self, days):
        self.day += timedelta(days=days)

    @rule(quantity=st.decimals("0.000001", "7", places=6), cost=st.decimals("0.01", "50", places=2))
    def buy(self, quantity, cost):
        trade = self.trade(quantity, cost, order=self.number)
        self.paid += cost
        self.position.open_lot(trade, at=self.at)
        self.look()

    @precondition(lambda self: self.position.quantity)
    @rule(
        share=st.sampled_from(["1", "0.5", "0.333333", "0.000001"]),
        proceeds=st.decimals("0.00", "20", places=2),
        method=st.sampled_from(METHODS),
    )
    def sell(self, share, proceeds, method):
        quantity = (self.position.quantity * D(share)).quantize(D("0.000001")) or D("0.000001")
        trade = self.trade(quantity, proceeds, order=999)
        self.received += proceeds
        self.position.reserve(quantity, symbol="AAPL", order_id=trade.order_id, at=self.at)
        self.position.relieve(trade, method=method, at=self.at)
        self.look()

    at = Lots.at

    def trade(self, quantity, amount, *, order):
        self.number += 1
        return Trade(
            order_id=UUID(int=order),
            execution_id=UUID(int=5000 + self.number),
            symbol="AAPL",
            quantity=quantity,
            price=D(1),
            amount=amount,
            street=amount,
            leaves_quantity=D(0),
            trade_date=self.day,
            settles_on=self.day + timedelta(days=1),
        )

    def look(self):
        for event in self.position.pending:
            assert imbalance(postings(event)) == {}, event
            if isinstance(event, Position.LotsRelieved):
                self.profits += event.profit
                assert sum(relief.quantity for relief in event.relieved) == event.quantity
                assert len({relief.lot_id for relief in event.relieved}) == len(event.relieved)
            if isinstance(event, Position.WashSaleDisallowed):
                self.disallowed += event.disallowed
                assert event.disallowed >= 0
                assert event.lot.cost == event.cost + event.disallowed
        self.position.pending.clear()

    @invariant()
    def every_cent_is_in_a_lot_or_realised(self):
        position = self.position
        assert position.realised == self.profits + self.disallowed
        assert position.cost == self.paid - self.received + self.profits + self.disallowed
        assert position.quantity == sum((lot.quantity for lot in position.lots), D(0))
        assert all(lot.quantity > 0 and lot.cost >= 0 for lot in position.lots)
        assert all(loss.quantity > 0 and loss.amount >= 0 for loss in position.losses)


TestLots, TestCents = Lots.TestCase, Cents.TestCase
TestLots.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestCents.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
