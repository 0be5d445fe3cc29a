"""Shares, the lots they came in, and what is reserved for open sales."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.errors import FreeSharesMustCoverOrder, Refusal
from domain.position import Position, position_id
from domain.trade import Trade
from tests.domain.examples import (
    ACCOUNT,
    DATES,
    NOW,
    ORDER,
    OTHER_ORDER,
    OWNER,
    D,
    a_position,
    a_trade,
    facts,
    names,
    refuses,
    replayed,
    snapshot,
    stored,
)


def test_the_id_of_a_position_follows_from_account_and_symbol():
    ids = {position_id(account, symbol) for account in (ACCOUNT, OWNER) for symbol in ("AAPL", "MSFT")}

    again = position_id(ACCOUNT, "AAPL")

    assert len(ids) == 4
    assert again in ids


def test_reserved_shares_cannot_be_sold_twice():
    position = a_position(("10", "1000.00"))
    position.reserve(D(6), symbol="AAPL", order_id=ORDER, at=NOW)

    detail = refuses(
        FreeSharesMustCoverOrder,
        position,
        lambda: position.reserve(D("4.000001"), symbol="AAPL", order_id=OTHER_ORDER, at=NOW),
    )

    assert detail == "4.000000 AAPL are free, 4.000001 would be sold"


def test_a_flat_position_has_nothing_to_sell():
    position = Position(id=position_id(ACCOUNT, "AAPL"), account_id=ACCOUNT)

    refuses(
        FreeSharesMustCoverOrder,
        position,
        lambda: position.reserve(D("0.000001"), symbol="AAPL", order_id=ORDER, at=NOW),
    )

    assert position.is_flat


def test_a_release_gives_shares_back_and_releasing_none_records_nothing():
    position = a_position(("10", "1000.00"))
    position.reserve(D(6), symbol="AAPL", order_id=ORDER, at=NOW)

    position.release(position.reserved_for(OTHER_ORDER), order_id=OTHER_ORDER, at=NOW)
    position.release(D(6), order_id=ORDER, at=NOW)

    assert names(position) == ["SharesReserved", "SharesReleased"]
    assert (position.free, position.reserves) == (10, {})


def test_a_purchase_is_a_lot_of_its_own():
    position = a_position()

    position.open_lot(a_trade("2.5", "100", execution=1), at=NOW)
    position.open_lot(a_trade("2.5", "100", execution=2), at=NOW + timedelta(days=1))

    assert [(lot.lot_id.int, lot.cost, lot.acquired_at) for lot in position.lots] == [
        (1, D("250.00"), NOW),
        (2, D("250.00"), NOW + timedelta(days=1)),
    ]
    assert (position.quantity, position.cost) == (5, D("500.00"))


def sell(position: Position, quantity: str, proceeds: str) -> Decimal:
    position.reserve(D(quantity), symbol="AAPL", order_id=ORDER, at=NOW)
    stored(position)
    return position.relieve(a_trade(quantity, cost=proceeds), at=NOW)


def test_the_oldest_lots_are_sold_first():
    position = a_position(("10", "1000.00"), ("10", "1200.00"), ("10", "900.00"))

    sell(position, "15", "1800.00")

    [(name, fact)] = facts(position)
    assert (name, fact["method"], fact["cost"]) == ("LotsRelieved", "fifo", D("1600.00"))
    assert [(r.lot_id.int, r.quantity, r.cost) for r in fact["relieved"]] == [(100, 10, 1000), (101, 5, 600)]
    assert position.realised == D("200.00")
    assert [(lot.lot_id.int, lot.quantity, lot.cost) for lot in position.lots] == [
        (101, 5, 600),
        (102, 10, 900),
    ]


def test_a_sale_takes_its_shares_out_of_the_reserve_of_its_order():
    position = a_position(("10", "1000.00"))
    position.reserve(D(3), symbol="AAPL", order_id=OTHER_ORDER, at=NOW)

    sell(position, "4", "500.00")

    assert (position.quantity, position.reserved) == (6, 3)
    assert position.reserves == {OTHER_ORDER: D(3)}


def test_a_loss_is_a_negative_profit():
    position = a_position(("1", "100.00"))

    sell(position, "1", "40.00")

    assert (position.realised, position.is_flat) == (D("-60.00"), True)


@pytest.mark.parametrize(
    ("sold", "costs"),
    [(["1", "1", "1"], ["33.33", "33.34", "33.33"]), (["2", "1"], ["66.67", "33.33"]), (["3"], ["100.00"])],
)
def test_the_last_piece_of_a_lot_takes_the_remainder_of_its_cost(sold, costs):
    position = a_position(("3", "100.00"))

    found = []
    for quantity in sold:
        sell(position, quantity, "0.00")
        found.append(str(facts(position)[0][1]["cost"]))

    assert found == costs
    assert (position.lots, position.cost) == ([], 0)


micro = st.integers(1, 5_000_000).map(lambda n: Decimal(n) / 1_000_000)
cents = st.integers(0, 1_000_000).map(lambda n: Decimal(n) / 100)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10**9), st.integers(0, 10**12), st.lists(st.fractions(0, 1), max_size=10))
def test_however_a_lot_is_sold_its_pieces_cost_what_it_cost(quantity, cost, cuts):
    whole = Decimal(quantity) / 1_000_000
    position = a_position((str(whole), str(Decimal(cost) / 100)))
    marks = [*sorted({int(quantity * cut) for cut in cuts} - {0, quantity}), quantity]

    relieved = []
    for start, end in zip([0, *marks], marks, strict=False):
        sell(position, str(Decimal(end - start) / 1_000_000), "0.00")
        relieved.append(facts(position)[0][1]["cost"])

    assert sum(relieved) == Decimal(cost) / 100
    assert min(relieved) >= 0
    assert position.is_flat


ORDERS = [UUID(int=n) for n in range(50, 53)]


class PositionMachine(RuleBasedStateMachine):
    """Purchases and sales in any order; a plain list of (lot, shares) is kept beside, oldest first.

    A lot whose shares replace those of a wash sale in part is counted here as the one lot it was bought as.
    """

    @initialize()
    def start_flat(self):
        self.position = Position(id=position_id(ACCOUNT, "AAPL"), account_id=ACCOUNT)
        self.history, self.queue, self.number = [], [], 0
        self.paid = self.received = D(0)

    def ask(self, decide):
        try:
            decide()
        except Refusal:
            assert self.position.pending == []
            return False
        self.history += self.position.pending
        self.position.pending.clear()
        return True

    def trade(self, order_id, quantity, amount):
        self.number += 1
        return Trade(
            order_id=order_id,
            execution_id=UUID(int=1000 + self.number),
            symbol="AAPL",
            quantity=quantity,
            price=D(1),
            amount=amount,
            leaves_quantity=D(1),
            street=amount,
            **DATES,
        )

    @rule(quantity=micro, cost=cents)
    def buy(self, quantity, cost):
        trade = self.trade(ORDER, quantity, cost)
        assert self.ask(lambda: self.position.open_lot(trade, at=NOW))
        self.queue.append([trade.execution_id, quantity])
        self.paid += cost

    @rule(order_id=st.sampled_from(ORDERS), quantity=micro)
    def reserve(self, order_id, quantity):
        enough = quantity <= self.position.free
        asked = lambda: self.position.reserve(quantity, symbol="AAPL", order_id=order_id, at=NOW)  # noqa: E731
        assert self.ask(asked) == enough

    @rule(order_id=st.sampled_from(ORDERS), quantity=micro)
    def release(self, order_id, quantity):
        quantity = min(quantity, self.position.reserved_for(order_id))
        assert self.ask(lambda: self.position.release(quantity, order_id=order_id, at=NOW))

    @precondition(lambda self: self.position.reserves)
    @rule(index=st.integers(0, 2), quantity=micro, proceeds=cents, whole=st.booleans())
    def sell(self, index, quantity, proceeds, whole):
        order_id, reserved = list(self.position.reserves.items())[index % len(self.position.reserves)]
        quantity = reserved if whole else min(quantity, reserved)
        trade = self.trade(order_id, quantity, proceeds)
        assert self.ask(lambda: self.position.relieve(trade, at=NOW))
        self.received += proceeds
        taken = []
        while quantity:
            part = min(quantity, self.queue[0][1])
            taken.append((self.queue[0][0], part))
            self.queue[0][1] -= part
            quantity -= part
            if not self.queue[0][1]:
                self.queue.pop(0)
        sale = next(e for e in reversed(self.history) if isinstance(e, Position.LotsRelieved))
        assert self.as_bought((r.lot_id, r.quantity) for r in sale.relieved) == [list(t) for t in taken]

    def as_bought(self, lots):
        """Lots and their shares, the parts of one purchase put together."""
        bought = {}
        for event in self.history:
            if isinstance(event, Position.WashSaleDisallowed):
                bought[event.lot.lot_id] = bought.get(event.replacement_id, event.replacement_id)
        found = []
        for lot_id, quantity in lots:
            lot_id = bought.get(lot_id, lot_id)
            if found and found[-1][0] == lot_id:
                found[-1][1] += quantity
            else:
                found.append([lot_id, quantity])
        return found

    @invariant()
    def no_share_is_promised_that_is_not_there(self):
        position = self.position
        assert 0 <= position.reserved <= position.quantity == sum(lot.quantity for lot in position.lots)
        assert position.reserved == sum(position.reserves.values())
        assert all(quantity > 0 for quantity in position.reserves.values())

    @invariant()
    def the_lots_are_what_a_queue_would_hold(self):
        assert self.as_bought((lot.lot_id, lot.quantity) for lot in self.position.lots) == self.queue
        assert all(lot.cost >= 0 for lot in self.position.lots)

    @invariant()
    def what_was_paid_is_cost_still_held_or_set_against_proceeds(self):
        assert self.paid - self.received == self.position.cost - self.position.realised

    @invariant()
    def history_and_snapshot_give_the_same_position(self):
        assert replayed(self.position, self.history) == self.position == snapshot(self.position)


PositionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPositionInAnyOrder = PositionMachine.TestCase
