"""What may become of an order, and what its fills cost."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.errors import (
    ClientOrderIdMustBeUnique,
    ExecutionMustNotExceedLeaves,
    ExecutionMustRespectItsLimit,
    OrderMustBeOpen,
    QuantityMustExceedFilled,
    Refusal,
    ReplacementMustChangeSomething,
    StopMustNotBeElected,
)
from domain.order import LIFE, Order, OrderStatus, cap_on_price
from domain.values import rounded_down, rounded_up
from tests.domain.examples import (
    ACCOUNT,
    COLLAR,
    FREE,
    NOW,
    ORDER,
    TODAY,
    D,
    an_order,
    facts,
    names,
    refuses,
    replayed,
    snapshot,
    some_terms,
    stored,
)

S = OrderStatus
ENDED = (S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED)


def execute(order: Order, quantity: str, price: str = "100", execution: int = 7, quote: int = 1):
    return order.execute(
        D(quantity),
        D(price),
        execution_id=UUID(int=execution),
        venue="daybook",
        quote=quote,
        dates=TODAY,
        fees=FREE,
        at=NOW,
    )


def an_order_that_is(status: OrderStatus | None) -> Order:
    """A stop order in this status; None for one that is not born yet."""
    order = Order(id=ORDER, account_id=ACCOUNT)
    terms = some_terms(type="stop", stop_price=D(100), limit_price=None)
    if status is S.REJECTED:
        order.reject(terms, reason="a_rule", detail="says no", at=NOW)
    elif status is not None:
        order.place(terms, price_cap=D(105), at=NOW)
        {
            S.ACCEPTED: lambda: None,
            S.PARTIALLY_FILLED: lambda: (elect(order), execute(order, "4")),
            S.FILLED: lambda: (elect(order), execute(order, "10")),
            S.CANCELLED: lambda: order.cancel("requested", at=NOW),
            S.EXPIRED: lambda: order.expire("session_closed", at=NOW),
        }[status]()
    return stored(order)


def elect(order: Order) -> None:
    order.trigger(quote=1, elected_by="last", price=D(100), at=NOW)


DECISIONS = {
    "Placed": lambda o: o.place(some_terms(), price_cap=D(100), at=NOW),
    "Rejected": lambda o: o.reject(some_terms(), reason="a_rule", detail="says no", at=NOW),
    "Accepted": lambda o: o.accept("daybook", at=NOW),
    "Triggered": elect,
    "Replaced": lambda o: o.replace(o.terms.changed(quantity=D(20)), price_cap=o.price_cap, at=NOW),
    "Executed": lambda o: (o.waits_for_stop and elect(o), execute(o, "1", execution=8)),
    "Cancelled": lambda o: o.cancel("requested", at=NOW),
    "Expired": lambda o: o.expire("session_closed", at=NOW),
}
CELLS = [(status, fact) for status in LIFE for fact in DECISIONS]
BORN = [cell for cell in CELLS if cell[0] is not None or cell[1] in ("Placed", "Rejected")]
ALLOWED = [(status, fact) for status, fact in BORN if fact in LIFE[status]]
REPEATED = [(S.CANCELLED, "Cancelled"), (S.EXPIRED, "Expired")]
NOT_NOW = [(status, "Accepted") for status in LIFE if status not in (None, S.ACCEPTED)]
REELECTED = [(S.PARTIALLY_FILLED, "Triggered")]
REFUSED = [cell for cell in BORN if cell not in ALLOWED + REPEATED + NOT_NOW + REELECTED]


@pytest.mark.parametrize(("status", "fact"), ALLOWED)
def test_what_an_orders_life_allows_is_recorded_and_leads_where_it_says(status, fact):
    order = an_order_that_is(status)

    DECISIONS[fact](order)

    assert names(order)[-1] == fact
    assert order.status in LIFE[status][fact]


@pytest.mark.parametrize(("status", "fact"), REFUSED)
def test_what_an_orders_life_does_not_allow_is_refused(status, fact):
    order = an_order_that_is(status)
    refusal = ClientOrderIdMustBeUnique if fact in ("Placed", "Rejected") else OrderMustBeOpen

    refuses(refusal, order, lambda: DECISIONS[fact](order))

    assert order.status is status


@pytest.mark.parametrize(("status", "fact"), REPEATED + NOT_NOW + REELECTED)
def test_a_repeated_or_late_request_records_nothing(status, fact):
    order = an_order_that_is(status)

    DECISIONS[fact](order)

    assert facts(order) == []
    assert order.status is status


@pytest.mark.parametrize("status", LIFE)
def test_an_order_has_leaves_exactly_while_it_is_open(status):
    order = an_order_that_is(status)

    is_open = order.is_open

    assert is_open == (status in (S.ACCEPTED, S.PARTIALLY_FILLED))
    assert status is None or (order.leaves > 0) == is_open
    assert (order.ended_at is not None) == (status in ENDED)


def test_a_rejected_order_is_kept_with_its_reason():
    order = Order(id=ORDER, account_id=ACCOUNT)

    order.reject(some_terms(), reason="free_shares_must_cover_order", detail="0 are free", at=NOW)

    assert facts(order) == [
        (
            "Rejected",
            {"terms": some_terms(), "reason": "free_shares_must_cover_order", "detail": "0 are free"},
        )
    ]
    assert (order.leaves, order.cover) == (0, 0)


def test_an_order_is_accepted_once():
    order = an_order()

    order.accept("daybook", at=NOW)
    order.accept("elsewhere", at=NOW + timedelta(seconds=1))

    assert facts(order) == [("Accepted", {"venue": "daybook"})]
    assert order.accepted_at == NOW


def test_a_stop_is_elected_once():
    order = an_order(type="stop", stop_price=D(100), limit_price=None)

    elect(order)
    order.trigger(quote=2, elected_by="ask", price=D(101), at=NOW)

    assert facts(order) == [("Triggered", {"quote": 1, "elected_by": "last", "price": D(100)})]


@pytest.mark.parametrize("terms", [{}, {"type": "market", "limit_price": None}])
def test_an_order_without_a_stop_is_not_elected(terms):
    order = an_order(**terms)

    with suppress(Refusal):
        elect(order)

    assert facts(order) == []


def test_a_stop_does_not_trade_before_it_is_elected():
    order = an_order(type="stop_limit", stop_price=D(90))

    detail = refuses(ExecutionMustRespectItsLimit, order, lambda: execute(order, "1"))

    assert detail == "the stop has not been elected"


@pytest.mark.parametrize(
    ("terms", "best_refused", "worst_taken"),
    [
        ({"side": "buy"}, "100.0001", "100"),
        ({"side": "sell"}, "99.9999", "100"),
        ({"side": "buy", "type": "market", "limit_price": None}, "105.0001", "105"),
    ],
)
def test_an_execution_is_never_worse_than_the_order_allows(terms, best_refused, worst_taken):
    order = an_order(ask="100", **terms)

    refuses(ExecutionMustRespectItsLimit, order, lambda: execute(order, "1", best_refused))

    execute(order, "1", worst_taken)
    assert order.filled == 1


def test_a_market_sale_takes_any_price():
    order = an_order(side="sell", type="market", limit_price=None)

    trade = execute(order, "10", "0.0001")

    assert (order.status, trade.amount) == (S.FILLED, D("0.00"))


def test_an_execution_never_exceeds_what_is_left():
    order = an_order()
    stored((execute(order, "4"), order)[1])

    detail = refuses(ExecutionMustNotExceedLeaves, order, lambda: execute(order, "6.000001", execution=8))

    assert detail == "6.000001 executed, 6.000000 left"


def test_an_execution_says_what_was_traded_and_what_is_left():
    order = an_order()

    trade = execute(order, "2.5", "99.99", quote=42)

    [(name, fact)] = facts(order)
    assert (name, fact["quantity"], fact["leaves_quantity"], fact["quote"]) == (
        "Executed",
        D("2.5"),
        D("7.5"),
        42,
    )
    assert trade.amount == fact["amount"] == D("249.98")
    assert (order.average_price, order.status) == (D("99.9900"), S.PARTIALLY_FILLED)


@pytest.mark.parametrize(
    ("terms", "ask", "cap"),
    [
        ({"type": "limit", "limit_price": D(90)}, "100", "90"),
        ({"type": "stop_limit", "limit_price": D(90), "stop_price": D(95)}, None, "90"),
        ({"type": "market", "limit_price": None}, "100", "105.0000"),
        ({"type": "market", "limit_price": None}, None, None),
        ({"type": "stop", "limit_price": None, "stop_price": D(110)}, "100", "115.5000"),
        ({"type": "stop", "limit_price": None, "stop_price": D(90)}, "100", "105.0000"),
        ({"type": "stop", "limit_price": None, "stop_price": D(90)}, None, None),
        ({"side": "sell", "limit_price": D(90)}, "100", None),
        ({"side": "sell", "type": "market", "limit_price": None}, "100", None),
    ],
)
def test_the_cap_of_a_buy_is_its_limit_or_a_collar_above_the_ask_or_stop(terms, ask, cap):
    asked = some_terms(**terms)

    found = cap_on_price(asked, ask=D(ask) if ask else None, collar=COLLAR)

    assert found == (D(cap) if cap else None)


def test_a_replacement_keeps_the_order_and_counts_revisions():
    order = an_order()

    order.replace(order.terms.changed(quantity=D(20)), price_cap=D(100), at=NOW)
    order.replace(order.terms.changed(limit_price=D(90)), price_cap=D(90), at=NOW)

    assert names(order) == ["Replaced", "Replaced"]
    assert (order.revision, order.leaves, order.price_cap, order.cover) == (2, 20, 90, D("1800.00"))


def test_a_replacement_must_change_something():
    order = an_order()
    same = order.terms.changed(quantity=D("10.000000"))

    refuses(ReplacementMustChangeSomething, order, lambda: order.replace(same, price_cap=D(100), at=NOW))

    assert order.revision == 0


@pytest.mark.parametrize("quantity", ["3", "4"])
def test_a_replacements_quantity_must_exceed_what_is_filled(quantity):
    order = an_order()
    execute(order, "4")
    terms = stored(order).terms.changed(quantity=D(quantity))

    detail = refuses(QuantityMustExceedFilled, order, lambda: order.replace(terms, price_cap=D(100), at=NOW))

    assert detail == "4.000000 is filled already"


def test_an_elected_stop_cannot_be_moved_but_its_limit_can():
    order = an_order(type="stop_limit", stop_price=D(90))
    elect(order)
    moved = stored(order).terms.changed(stop_price=D(80))

    refuses(StopMustNotBeElected, order, lambda: order.replace(moved, price_cap=D(100), at=NOW))

    order.replace(order.terms.changed(limit_price=D(99)), price_cap=D(99), at=NOW)
    assert names(order) == ["Replaced"]


pieces = st.lists(st.integers(1, 3_000_000), min_size=1, max_size=12)
prices = st.integers(1, 500_000).map(lambda n: Decimal(n) / 10_000)


@settings(max_examples=150, deadline=None)
@given(pieces, st.lists(prices, min_size=12, max_size=12), st.integers(0, 500_000))
def test_the_amounts_of_many_fills_add_to_the_rounded_notional_and_the_hold_suffices(parts, paid, room):
    quantities = [Decimal(part) / 1_000_000 for part in parts]
    cap = max(paid) + Decimal(room) / 10_000
    order = an_order(quantity=sum(quantities), limit_price=cap)
    held = order.cover
    assert held == rounded_up(sum(quantities) * cap)

    amounts = []
    for number, (quantity, price) in enumerate(zip(quantities, paid, strict=False)):
        amounts.append(execute(order, str(quantity), str(price), execution=number).amount)
        assert sum(amounts) + order.cover <= held
        held = sum(amounts) + order.cover

    assert (
        sum(amounts) == rounded_up(sum(q * p for q, p in zip(quantities, paid, strict=False))) == order.spent
    )
    assert all(amount >= 0 for amount in amounts)
    assert (order.status, order.cover) == (S.FILLED, 0)


quantity_of = st.integers(1, 20_000_000).map(lambda n: Decimal(n) / 1_000_000)
price_of = st.integers(900_000, 1_100_000).map(lambda n: Decimal(n) / 10_000)
some_or_none = lambda strategy: st.none() | strategy  # noqa: E731  one word reads better in a rule


class OrderMachine(RuleBasedStateMachine):
    """Anything may be asked of an order at any time; what it records must fit the table of its life."""

    @initialize(
        side=st.sampled_from(["buy", "sell"]),
        kind=st.sampled_from(["market", "limit", "stop", "stop_limit"]),
        quantity=quantity_of,
        limit=price_of,
        stop=price_of,
        ask=price_of,
    )
    def place_an_order(self, side, kind, quantity, limit, stop, ask):
        terms = some_terms(
            side=side,
            type=kind,
            quantity=quantity,
            limit_price=limit if "limit" in kind else None,
            stop_price=stop if "stop" in kind else None,
        )
        self.order, self.history = Order(id=ORDER, account_id=ACCOUNT), []
        cap = cap_on_price(terms, ask=ask, collar=COLLAR)
        self.ask(lambda: self.order.place(terms, price_cap=cap, at=NOW))
        self.aside = self.order.cover
        self.traded = []

    def ask(self, decide):
        """Decide; store what was recorded, which must fit the life. Answers whether it was allowed."""
        before = self.order.status
        try:
            decide()
        except Refusal:
            assert self.order.pending == []
            return False
        for name in names(self.order):
            assert self.order.status in LIFE[before][name]
        self.history += self.order.pending
        self.order.pending.clear()
        return True

    @rule()
    def accept(self):
        assert self.ask(lambda: self.order.accept("daybook", at=NOW))

    @rule()
    def trigger(self):
        if self.order.waits_for_stop:
            self.ask(lambda: elect(self.order))

    @rule(quantity=quantity_of, price=price_of, whole=st.booleans())
    def execute(self, quantity, price, whole):
        quantity = self.order.leaves if whole and self.order.leaves else quantity
        fits = self.order.is_open and not self.order.waits_for_stop and quantity <= self.order.leaves
        fits = fits and self.is_fair(price)
        number = len(self.traded)
        asked = lambda: execute(self.order, str(quantity), str(price), execution=number)  # noqa: E731
        assert self.ask(asked) == fits
        if fits:
            self.traded.append((quantity, price, self.history[-1].amount))

    def is_fair(self, price):
        if self.order.terms.side == "buy":
            return price <= self.order.price_cap
        return self.order.terms.limit_price is None or price >= self.order.terms.limit_price

    @rule(quantity=some_or_none(quantity_of), limit=some_or_none(price_of), stop=some_or_none(price_of))
    def replace(self, quantity, limit, stop):
        has_limit, has_stop = self.order.terms.type.has_limit, self.order.terms.type.has_stop
        terms = self.order.terms.changed(
            quantity=quantity, limit_price=limit if has_limit else None, stop_price=stop if has_stop else None
        )
        cap = cap_on_price(terms, ask=D(100), collar=COLLAR)
        if self.ask(lambda: self.order.replace(terms, price_cap=cap, at=NOW)):
            self.aside = self.order.spent + self.order.cover

    @rule()
    def cancel(self):
        self.ask(lambda: self.order.cancel("requested", at=NOW))

    @rule()
    def expire(self):
        self.ask(lambda: self.order.expire("session_closed", at=NOW))

    @invariant()
    def no_more_is_filled_than_was_ordered(self):
        assert 0 <= self.order.filled <= self.order.terms.quantity
        assert self.order.filled == sum(quantity for quantity, _, _ in self.traded)
        assert (self.order.leaves > 0) == self.order.is_open

    @invariant()
    def what_is_paid_is_the_rounded_notional_and_within_what_was_set_aside(self):
        to_the_cent = rounded_up if self.order.terms.side == "buy" else rounded_down
        assert self.order.spent == to_the_cent(sum((q * p for q, p, _ in self.traded), D(0)))
        assert self.order.spent == sum(amount for _, _, amount in self.traded)
        if self.order.terms.side == "buy":
            assert self.order.cover >= 0
            assert self.order.spent + self.order.cover <= self.aside

    @invariant()
    def history_and_snapshot_give_the_same_order(self):
        assert replayed(self.order, self.history) == self.order == snapshot(self.order)


OrderMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestOrderInAnyOrder = OrderMachine.TestCase
