"""What a customer can work out alone from executions, to check what Daybook says."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

Json = dict[str, Any]

CENT = Decimal("0.01")


def spent_and_received(executions: Iterable[Json]) -> tuple[Decimal, Decimal]:
    """Dollars paid for buys and received for sales."""
    paid = received = Decimal(0)
    for execution in executions:
        if execution["side"] == "buy":
            paid += Decimal(execution["net_amount"])
        else:
            received += Decimal(execution["net_amount"])
    return paid, received


def realised_profit(executions: Iterable[Json]) -> Decimal:
    """Profit of one symbol's executions in order, first in first out, each part cost rounded to the cent."""
    lots: list[list[Decimal]] = []
    profit = Decimal(0)
    for execution in executions:
        quantity, amount = Decimal(execution["quantity"]), Decimal(execution["net_amount"])
        if execution["side"] == "buy":
            lots.append([quantity, amount])
        else:
            profit += amount - _relieved(lots, quantity)
    return profit


def _relieved(lots: list[list[Decimal]], quantity: Decimal) -> Decimal:
    cost = Decimal(0)
    while quantity:
        lot = lots[0]
        taken = min(quantity, lot[0])
        part = lot[1] if taken == lot[0] else (lot[1] * taken / lot[0]).quantize(CENT, ROUND_HALF_EVEN)
        lot[0], lot[1] = lot[0] - taken, lot[1] - part
        if not lot[0]:
            lots.pop(0)
        cost += part
        quantity -= taken
    return cost
