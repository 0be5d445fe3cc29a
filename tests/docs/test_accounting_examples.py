"""The worked examples of docs/accounting.md are carried out, and every figure in them is compared."""

import re
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application import commands as c
from domain.account import Account
from domain.journal import postings
from tests.application.desk import Desk
from tests.docs.pages import Row, tables, text_of
from tests.domain.examples import ACCOUNT, OWNER

D = Decimal

_PLACE = re.compile(r"(?P<name>\w+): (?P<side>buy|sell) (?P<quantity>\S+) AAPL(?: at (?P<limit>\S+))?")
_FILL = re.compile(r"(?P<name>\w+): fill (?P<quantity>\S+) at (?P<price>\S+)")
_CANCEL = re.compile(r"(?P<name>\w+): cancel")
_SETTLE = re.compile(r"a day later: settle")
_MONEY = re.compile(r"(?P<what>deposit|withdraw) (?P<amount>\S+)")

EXAMPLES = [rows for rows in tables(text_of("accounting.md")) if rows and "command" in rows[0]]


class Bookkeeper:
    """Carries out what a table's first column says, and answers what stands in the others."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.desk.send(c.OpenAccount(account_id=ACCOUNT, owner_id=OWNER))
        self._orders: dict[str, UUID] = {}
        self._executions = 0

    def do(self, text: str) -> None:
        for pattern, act in (
            (_PLACE, self._place),
            (_FILL, self._fill),
            (_CANCEL, self._cancel),
            (_MONEY, self._move),
            (_SETTLE, self._settle),
        ):
            found = pattern.fullmatch(text)
            if found is not None:
                act(**found.groupdict())
                return
        raise AssertionError(f"nobody knows how to do {text!r}")

    def figures(self) -> Row:
        account = self.desk.load(Account, ACCOUNT, ACCOUNT)
        position = self.desk.position(ACCOUNT)
        return {
            "cash": f"{account.cash:,}",
            "unsettled": f"{account.unsettled_proceeds:,}",
            "available": f"{account.available:,}",
            "withdrawable": f"{account.withdrawable:,}",
            "violations": str(len(account.good_faith_violations)),
            "held": f"{account.held:,}",
            "shares": f"{position.quantity.normalize():f}",
            "reserved": f"{position.reserved.normalize():f}",
            "lots": " + ".join(f"{lot.quantity.normalize():f} for {lot.cost:,}" for lot in position.lots)
            or "none",
            "realised": f"{position.realised:,}",
        } | {name: _said(amount, cost) for name, (amount, cost) in self._ledger().items()}

    def _ledger(self) -> dict[str, tuple[Decimal, Decimal]]:
        """What each ledger account comes to, under every ending of its name."""
        sums: defaultdict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (D(0), D(0)))
        for event in self.desk.log:
            for line in postings(event):
                amount, cost = sums[line.account]
                sums[line.account] = (amount + line.amount, cost + (line.cost or 0))
        endings: defaultdict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (D(0), D(0)))
        for name, both in sums.items():
            parts = name.split(":")
            endings |= {":".join(parts[number:]): both for number in range(1, len(parts))}
        return endings

    def _move(self, what: str, amount: str) -> None:
        kind = c.Deposit if what == "deposit" else c.Withdraw
        self.desk.send(kind(account_id=ACCOUNT, transfer_id=UUID(int=7), amount=D(amount.replace(",", ""))))

    def _settle(self) -> None:
        self.desk.now += timedelta(days=1)
        self.desk.send(c.Settle(account_id=ACCOUNT, through=self.desk.now.date()))

    def _place(self, name: str, **terms: str | None) -> None:
        order_id = self._orders[name] = UUID(int=1000 + len(self._orders))
        limit = terms.pop("limit")
        order: dict[str, Any] = {
            **terms,
            "type": "market" if limit is None else "limit",
            "limit_price": limit,
        }
        order |= {"account_id": ACCOUNT, "order_id": order_id, "symbol": "AAPL"}
        self.desk.send(msgspec.convert(order, c.PlaceOrder, strict=False))

    def _fill(self, name: str, quantity: str, price: str) -> None:
        self._executions += 1
        self.desk.send(
            c.ExecuteOrder(
                account_id=ACCOUNT,
                order_id=self._orders[name],
                symbol="AAPL",
                execution_id=UUID(int=self._executions),
                quantity=D(quantity),
                price=D(price),
                venue="internal",
                quote=self._executions,
            )
        )

    def _cancel(self, name: str) -> None:
        self.desk.send(c.CancelOrder(account_id=ACCOUNT, order_id=self._orders[name], symbol="AAPL"))


def _said(amount: Decimal, cost: Decimal) -> str:
    if cost:
        return f"{amount.normalize():f} for {cost:,}"
    return (
        (f"{amount:,}" if amount.as_tuple().exponent == -2 else f"{amount.normalize():f}") if amount else "0"
    )


@pytest.mark.parametrize("rows", EXAMPLES, ids=lambda rows: f"{list(rows[0])[1]}, {len(rows)} rows")
def test_a_worked_example_comes_out_as_written(rows: list[Row]) -> None:
    books = Bookkeeper()
    written, found = [], []

    for row in rows:
        books.do(row["command"])
        figures = books.figures()
        written.append(row)
        found.append({name: row[name] if name == "command" else figures.get(name, "0") for name in row})

    assert found == written


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6
