"""The list of all projections."""

from projections.activity import Activity
from projections.audit import Audit
from projections.balances import Balances
from projections.executions import Executions
from projections.orders import Orders
from projections.positions import Positions
from projections.projection import Projection

PROJECTIONS: tuple[Projection, ...] = (
    Balances(),
    Positions(),
    Orders(),
    Executions(),
    Activity(),
    Audit(),
)

BY_NAME: dict[str, Projection] = {projection.name: projection for projection in PROJECTIONS}
