"""An order: what a customer asked for, and what became of it.

`life` has the table of its statuses, `core` the order from its placing to its end, `trading` its executions.
"""

from domain.order.core import Order, cap_on_price
from domain.order.life import LIFE, OPEN_STATUSES, OrderStatus, S

__all__ = ["LIFE", "OPEN_STATUSES", "Order", "OrderStatus", "S", "cap_on_price"]
