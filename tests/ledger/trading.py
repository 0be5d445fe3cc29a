"""What customers and the venue may do with orders, in any order."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from application import commands as c
from application.requests import Request
from domain.errors import IdempotencyKeyMustMatchItsRequest, Refusal
from domain.order import Order
from domain.position import Position, position_id
from domain.terms import LotChoice, LotMethod, OrderType, Side, TimeInForce
from domain.values import NO_SHARES
from tests.ledger.customers import MONEY, PRICES, QUANTITIES, SYMBOLS, Customers


class Trading(Customers):
    """Orders: placed, changed, filled, and given twice."""

    @rule(data=st.data(), key=st.sampled_from(["k1", "k2", "k3"]) | st.none(), number=st.integers(1, 3))
    def place(self, data: st.DataObject, key: str | None, number: int) -> None:
        for _ in range(number):
            order = self.any_order(data)
            if not isinstance(self.give(order, key=key), Refusal):
                self.orders.append(order)

    @rule(
        data=st.data(),
        kind=st.sampled_from(OrderType),
        side=st.sampled_from(Side),
        price=st.decimals("9.5", "10.5", places=4),
        share=st.sampled_from(["1", "0.5", "0.123456", "0.000002"]),
    )
    def trade(self, data: st.DataObject, kind: OrderType, side: Side, price: Decimal, share: str) -> None:
        """An order that can be covered, most times, with its election and a fill or two."""
        symbol, account_id = data.draw(st.sampled_from(SYMBOLS)), self.account(data.draw(st.integers(0, 2)))
        position = self.world.aggregates.get(position_id(account_id, symbol))
        has = position.free if side is Side.SELL and position is not None else Decimal(9)
        order = c.PlaceOrder(
            account_id=account_id,
            order_id=uuid4(),
            symbol=symbol,
            side=side,
            type=kind,
            time_in_force=data.draw(st.sampled_from(TimeInForce)),
            quantity=(has * Decimal(share)).quantize(NO_SHARES) or Decimal(1),
            limit_price=price if kind.has_limit else None,
            stop_price=price if kind.has_stop else None,
            ask=price,
            **self.some_choice(data, position, side),
        )
        self.give(order)
        self.orders.append(order)
        if kind.has_stop:
            self.elect(order, price)
        for part in data.draw(st.lists(st.sampled_from(["0.3", "0.7", "1"]), max_size=3)):
            self.fill(order, Decimal(part), price, uuid4())

    @staticmethod
    def some_choice(data: st.DataObject, position: Position | None, side: Side) -> dict[str, Any]:
        """Nothing chosen, a method, or the newest lots of a position by name."""
        method = data.draw(st.sampled_from(LotMethod) | st.none())
        if side is Side.BUY or method is None or position is None:
            return {}
        if method is not LotMethod.SPECIFIC:
            return {"lot_method": method}
        lots = tuple(LotChoice(lot_id=lot.lot_id, quantity=lot.quantity) for lot in reversed(position.lots))
        return {"lots": lots} if lots else {}

    def some_order(self, data: st.DataObject) -> c.PlaceOrder:
        """An order given before, more often one that is still open."""
        states = [self.world.aggregates.get(order.order_id) for order in self.orders]
        are_open = [o for o, s in zip(self.orders, states, strict=True) if s is not None and s.is_open]
        wants_open = data.draw(st.integers(0, 3)) > 0
        return self.one_of(are_open if wants_open and are_open else self.orders, data)

    def any_order(self, data: st.DataObject) -> c.PlaceOrder:
        kind = data.draw(st.sampled_from(OrderType))
        mark = data.draw(st.sampled_from(["a", "b"]) | st.none())
        is_mistaken = data.draw(st.integers(0, 9)) == 0
        return c.PlaceOrder(
            account_id=self.account(data.draw(st.integers(0, 2))),
            order_id=uuid4() if mark is None else UUID(int=self.accounts[0].int ^ ord(mark)),
            symbol=data.draw(st.sampled_from(SYMBOLS)),
            side=data.draw(st.sampled_from(Side)),
            type=kind,
            time_in_force=data.draw(st.sampled_from(TimeInForce)),
            quantity=data.draw(QUANTITIES),
            limit_price=data.draw(PRICES) if kind.has_limit is not is_mistaken else None,
            stop_price=data.draw(PRICES) if kind.has_stop else None,
            client_order_id=mark,
            is_new=mark is None,
            ask=data.draw(PRICES) if data.draw(st.integers(0, 9)) else None,
        )

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(),
        quantity=QUANTITIES | st.none(),
        limit=PRICES | st.none(),
        stop=PRICES | st.none(),
    )
    def replace(self, data: st.DataObject, quantity: Any, limit: Any, stop: Any) -> None:
        order = self.some_order(data)
        self.give(
            c.ReplaceOrder(
                account_id=order.account_id,
                order_id=order.order_id,
                quantity=quantity,
                limit_price=limit if order.limit_price else None,
                stop_price=stop if order.stop_price else None,
                ask=order.ask,
            )
        )

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), kind=st.sampled_from([c.CancelOrder, c.CancelOrder, c.ExpireOrder, c.AcceptOrder]))
    def change(self, data: st.DataObject, kind: Any) -> None:
        order = self.some_order(data)
        venue = {"venue": "NYSE"} if kind is c.AcceptOrder else {}
        self.give(kind(account_id=order.account_id, order_id=order.order_id, symbol=order.symbol, **venue))

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), price=PRICES)
    def trigger(self, data: st.DataObject, price: Decimal) -> None:
        self.elect(self.some_order(data), price)

    def elect(self, order: c.PlaceOrder, price: Decimal) -> None:
        ids = {"account_id": order.account_id, "order_id": order.order_id}
        self.give(c.TriggerOrder(**ids, quote=len(self.executions), elected_by="last", price=price))

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(),
        share=st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.1"), Decimal("1.5")]),
        price=PRICES | st.none(),
    )
    def execute(self, data: st.DataObject, share: Decimal, price: Decimal | None) -> None:
        order = self.some_order(data)
        state = self.world.aggregates.get(order.order_id)
        fair = order.limit_price or (state.price_cap if state else None) or Decimal(10)
        self.fill(order, share, fair if price is None else price, uuid4())

    def fill(self, order: c.PlaceOrder, share: Decimal, price: Decimal, execution_id: UUID) -> None:
        state = self.world.aggregates.get(order.order_id)
        leaves = state.leaves if state is not None and state.terms is not None else Decimal(1)
        quantity = (leaves * share).quantize(NO_SHARES) or Decimal(1)
        before = len(self.world.facts)
        answer = self.give(
            c.ExecuteOrder(
                account_id=order.account_id,
                order_id=order.order_id,
                execution_id=execution_id,
                quantity=quantity,
                price=price,
                venue="SIM",
                quote=len(self.executions),
            )
        )
        if len(self.world.facts) > before:
            assert not isinstance(answer, Refusal)
            self.executions.append(execution_id)

    @rule(data=st.data())
    def execute_twice(self, data: st.DataObject) -> None:
        before = len(self.world.facts)
        execution_id = self.one_of(self.executions, data)
        known = [f.event for f in self.world.facts if isinstance(f.event, Order.Executed)]
        event = next(e for e in known if e.execution_id == execution_id)
        ids = {"account_id": event.account_id, "order_id": event.originator_id}
        again = c.ExecuteOrder(
            **ids, execution_id=event.execution_id, quantity=Decimal(1), price=Decimal(1), venue="X", quote=1
        )
        assert not isinstance(self.give(again), Refusal)
        assert len(self.world.facts) == before

    @rule(data=st.data(), is_same=st.booleans())
    def use_a_key_again(self, data: st.DataObject, is_same: bool) -> None:
        found = self.one_of(self.kept, data)
        if found is None:
            return
        request, answer = found
        again = request if is_same else msgspec.structs.replace(request, request_hash=b"another")
        future = self.world.next_committer().submit(again)
        if is_same:
            assert future.result(60) == answer
        else:
            assert isinstance(future.exception(60), IdempotencyKeyMustMatchItsRequest)
        assert not self.world.look()

    @rule(data=st.data(), size=st.integers(2, 8))
    def many_at_once(self, data: st.DataObject, size: int) -> None:
        commands: list[c.Command] = []
        for _ in range(size):
            account_id = self.account(data.draw(st.integers(0, 2)))
            money = {"account_id": account_id, "transfer_id": uuid4(), "amount": data.draw(MONEY)}
            order = self.any_order(data)
            ids = {"account_id": order.account_id, "order_id": order.order_id}
            choices = [[c.Deposit(**money)], [c.Withdraw(**money)], [order], [order, c.CancelOrder(**ids)]]
            commands += data.draw(st.sampled_from(choices))
        self.orders += [command for command in commands if isinstance(command, c.PlaceOrder)]
        by_role = [Request.by_role("desk", command) for command in commands]
        for future in [self.world.next_committer().submit(request) for request in by_role]:
            error = future.exception(60)
            assert error is None or isinstance(error, Refusal)
        self.world.look()
