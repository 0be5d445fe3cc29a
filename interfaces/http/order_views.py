"""Orders as the API shows them, the same from a command's answer and from the read table."""

from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

from application.answers import OrderAnswer
from domain.terms import LotChoice
from projections.executions import ExecutionRow
from projections.orders import OrderRow


class OrderView(Struct, frozen=True):
    """An order. `charges` are what its executions were charged, in dollars; `charges_held` what is set aside
    of a buy's money for them, the most they can come to. `reason` is a code and `detail` a sentence on why it was rejected or ended unfilled."""

    order_id: UUID
    client_order_id: str | None
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    status: str
    reason: str | None
    detail: str | None
    filled_quantity: Decimal
    leaves_quantity: Decimal
    average_price: Decimal | None
    venue: str | None
    revision: int
    charges: Decimal
    charges_held: Decimal
    lot_method: str | None
    lots: list[LotChoice]
    placed_at: datetime
    accepted_at: datetime | None
    triggered_at: datetime | None
    ended_at: datetime | None
    log_position: int


class OrderWithExecutions(OrderView, frozen=True):
    """An order with everything it traded, oldest first."""

    executions: list[ExecutionRow]


_fields = attrgetter(*OrderView.__struct_fields__)


def order_view(order: OrderAnswer | OrderRow) -> OrderView:
    """The order in the API's form."""
    return OrderView(*_fields(order))


def with_executions(order: OrderRow, executions: list[ExecutionRow]) -> OrderWithExecutions:
    """The order in the API's form, with its executions."""
    return OrderWithExecutions(**asdict(order_view(order)), executions=executions)
