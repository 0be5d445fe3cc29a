"""What several customers, their banks and staff may do to their accounts, in any order."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from application import commands as c
from application import corporate as f
from application.answers import Answer
from application.requests import Metadata, Request
from domain.account import entitlement_of
from domain.errors import Refusal, SettlementMustBeDue
from domain.position import Position, position_id
from domain.terms import LotMethod
from domain.transfer import Direction
from domain.values import NOTHING
from infrastructure.eventstore.committer import Committer
from tests.ledger.world import World

SYMBOLS = ["AAPL", "BRK.B"]
RATIOS = [(7, 1), (2, 1), (3, 2), (1, 10), (1, 7), (403, 400)]
MONEY = st.decimals("0.01", "3000", places=2)
PRICES = st.decimals("0.0001", "40", places=4) | st.sampled_from([Decimal(10), Decimal("9.995")])
QUANTITIES = st.integers(1, 25).map(Decimal) | st.decimals("0.000001", "9", places=6)
JUDGEMENTS = [c.SuspendAccount, *[c.ReinstateAccount] * 3, c.CloseAccount]
ACTORS = ["ann", "bob", "desk"]


class Customers(RuleBasedStateMachine):
    """Accounts, and everything that is not an order. `world` is set by the tests."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.accounts: list[UUID] = []
        self.orders: list[c.PlaceOrder] = []
        self.executions: list[UUID] = []
        self.transfers: list[Any] = []
        self.kept: list[tuple[Request, Answer]] = []
        self.first_answer = len(self.world.answers)

    def give(
        self,
        command: c.Command,
        *,
        key: str | None = None,
        actor: str = "desk",
        by: Committer | None = None,
    ) -> Answer | Refusal:
        """Carry out one command. What is refused records nothing; what is answered says where it stands."""
        metadata = Metadata(actor=actor, role="customer", request_id=uuid4(), idempotency_key=key)
        request = Request(command=command, metadata=metadata, request_hash=repr(command).encode())
        before = len(self.world.facts)
        try:
            answer = (by or self.world.next_committer()).submit(request).result(60)
        except Refusal as refusal:
            assert not self.world.look()
            return refusal
        self.world.look()
        assert len(self.world.facts) == before or answer.log_position == len(self.world.facts)
        if key is not None and not any(self.is_same_key(request, kept) for kept, _ in self.kept):
            self.kept.append((request, answer))
        return answer

    @staticmethod
    def is_same_key(one: Request, other: Request) -> bool:
        keys = [(r.command.account_id, r.metadata.idempotency_key) for r in (one, other)]
        return keys[0] == keys[1]

    def account(self, index: int) -> UUID:
        return self.accounts[index % len(self.accounts)]

    @precondition(lambda self: len(self.accounts) < 3)
    @rule()
    def open(self) -> None:
        self.accounts.append(uuid4())
        command = c.OpenAccount(account_id=self.accounts[-1], owner_id=uuid4())
        assert self.give(command) == self.give(command)

    @rule(
        index=st.integers(0, 2),
        amount=MONEY,
        key=st.sampled_from(["k1", "k2"]) | st.none(),
        actor=st.sampled_from(ACTORS),
    )
    def deposit(self, index: int, amount: Decimal, key: str | None, actor: str) -> None:
        account_id = self.account(index)
        self.give(c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=amount), key=key, actor=actor)

    @rule(index=st.integers(0, 2), amount=MONEY, everything=st.booleans())
    def withdraw(self, index: int, amount: Decimal, everything: bool) -> None:
        account_id = self.account(index)
        free = self.world.aggregates[account_id].withdrawable
        amount = free if everything and free else amount
        self.give(c.Withdraw(account_id=account_id, transfer_id=uuid4(), amount=amount))

    @rule(index=st.integers(0, 2), direction=st.sampled_from(Direction), amount=MONEY)
    def ask_the_bank(self, index: int, direction: Direction, amount: Decimal) -> None:
        """A transfer that takes its time, asked for beside the others."""
        kind = c.Deposit if direction is Direction.DEPOSIT else c.Withdraw
        command = kind(account_id=self.account(index), transfer_id=uuid4(), amount=amount)
        if not isinstance(self.give(command, by=self.world.through_a_bank), Refusal):
            self.transfers.append(command)

    @rule(data=st.data(), says=st.sampled_from(["completed", "completed", "failed", "returned"]))
    def hear_from_the_bank(self, data: st.DataObject, says: str) -> None:
        asked = self.one_of(self.transfers, data)
        if asked is None:
            return
        ids = {"account_id": asked.account_id, "transfer_id": asked.transfer_id}
        way = Direction.DEPOSIT if isinstance(asked, c.Deposit) else Direction.WITHDRAWAL
        commands: dict[str, c.Command] = {
            "completed": c.CompleteTransfer(**ids),
            "failed": c.FailTransfer(**ids, reason="account_closed"),
            "returned": c.ReturnTransfer(**ids, reason="not_authorized", direction=way, amount=asked.amount),
        }
        self.give(commands[says])
        length = len(self.world.facts)
        self.give(commands[says])
        assert len(self.world.facts) == length, "told twice, done once"

    @rule(index=st.integers(0, 2), method=st.sampled_from(LotMethod))
    def choose_lots(self, index: int, method: LotMethod) -> None:
        self.give(c.ChooseLotMethod(account_id=self.account(index), method=method))

    @rule(index=st.integers(0, 2), days=st.integers(-3, 1), is_late=st.booleans())
    def settle(self, index: int, days: int, is_late: bool) -> None:
        """What is due up to a day, which may not have come."""
        if is_late:
            self.world.pass_time(86_400)
        through = self.world.now().date() + timedelta(days=days)
        answer = self.give(c.Settle(account_id=self.account(index), through=through))
        if not isinstance(answer, Refusal):
            assert min(self.world.aggregates[self.account(index)].unsettled, default=through) >= through
        assert isinstance(answer, SettlementMustBeDue) == (days > 0)

    @rule(
        index=st.integers(0, 2),
        symbol=st.sampled_from(SYMBOLS),
        ratio=st.sampled_from(RATIOS),
        cash=PRICES | st.none(),
        seconds=st.sampled_from([1, 1, 0, -1000]),
    )
    def split(
        self, index: int, symbol: str, ratio: tuple[int, int], cash: Decimal | None, seconds: int
    ) -> None:
        """A split, most times of all there is; what came after its ex-date is left alone. Twice is once."""
        self.world.pass_time(1)
        command = f.ApplySplit(
            account_id=self.account(index),
            action_id=uuid4(),
            symbol=symbol,
            numerator=ratio[0],
            denominator=ratio[1],
            cash_in_lieu=cash,
            effective_at=self.world.now() + timedelta(seconds=seconds),
        )
        held, costs = self.world.aggregates[command.account_id].held, self.cost_of(command.account_id)
        assert not isinstance(self.give(command, actor="scheduler"), Refusal)
        assert self.world.aggregates[command.account_id].held <= held
        assert cash is not None or self.cost_of(command.account_id) == costs
        before = len(self.world.facts)
        self.give(command)
        assert len(self.world.facts) == before

    def cost_of(self, account_id: UUID) -> Decimal:
        return sum((position.cost for position in self.positions(account_id)), NOTHING)

    @rule(
        index=st.integers(0, 2),
        quantity=QUANTITIES,
        withholding=st.sampled_from([Decimal(0), Decimal("0.24")]),
        is_paid=st.booleans(),
    )
    def receive(self, index: int, quantity: Decimal, withholding: Decimal, is_paid: bool) -> None:
        """A dividend, paid at once, twice, or later; and the interest of another month."""
        account_id, action_id = self.account(index), uuid4()
        dates = {"ex_date": self.world.now().date(), "pay_date": self.world.now().date()}
        entitlement = entitlement_of(
            action_id=action_id, symbol="F", quantity=quantity, rate=Decimal("0.475000"), **dates
        )
        self.give(f.EntitleDividend(account_id=account_id, entitlement=entitlement))
        for _ in range(2 * is_paid):
            self.give(f.PayDividend(account_id=account_id, action_id=action_id, withholding=withholding))
        days = {"first_day": date(2020 + index, 1, 1), "last_day": date(2020 + index, 1, 31)}
        self.give(f.PayInterest(account_id=account_id, accrued=quantity / 7, withholding=withholding, **days))

    @rule(index=st.integers(0, 2), kind=st.sampled_from(JUDGEMENTS))
    def judge(self, index: int, kind: Any) -> None:
        reason = {} if kind is c.CloseAccount else {"reason": "told"}
        self.give(kind(account_id=self.account(index), **reason))

    @staticmethod
    def one_of(found: Sequence[Any], data: st.DataObject) -> Any:
        """One of those, None of none. The same is drawn however many there are.

        How many there are differs when an example is run again: the days and their fees are others then.
        """
        number = data.draw(st.integers(0, 999))
        return found[number % len(found)] if found else None

    @rule(seconds=st.sampled_from([0.000001, 1, 3600, 100_000]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    def positions(self, account_id: UUID) -> list[Position]:
        found = [self.world.aggregates.get(position_id(account_id, symbol)) for symbol in SYMBOLS]
        return [position for position in found if position is not None]

    def open_orders(self, account_id: UUID) -> list[Any]:
        found = {order.order_id: self.world.aggregates.get(order.order_id) for order in self.orders}
        return [o for o in found.values() if o is not None and o.account_id == account_id and o.is_open]
