"""What one execution moves: the same few facts for the order, the cash and the shares."""

from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.values import Money, Price, Quantity


class Trade(Struct, frozen=True, kw_only=True, gc=False):
    """So many shares of a symbol at a price, and the money that changes hands for them.

    `amount` is what this execution adds to the order's total rounded to the cent (up for a buy, down for a
    sale), so that the
    amounts of an order's executions add up to its rounded notional exactly. `leaves_quantity` is
    what the order has left after it.
    """

    order_id: UUID
    execution_id: UUID
    symbol: str
    quantity: Quantity
    price: Price
    amount: Money
    leaves_quantity: Quantity

    def facts(self) -> dict[str, Any]:
        """The fields by name, for the events that carry all of them."""
        return {name: getattr(self, name) for name in self.__struct_fields__}
