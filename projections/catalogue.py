"""The list of all projections."""

from projections.activity import Activity
from projections.actors import Actors
from projections.audit import Audit
from projections.balances import Balances
from projections.blocks import Blocks
from projections.cases import Cases
from projections.corporate_actions import CorporateActions
from projections.dividends import Dividends
from projections.executions import Executions
from projections.gains import Gains
from projections.history import History
from projections.holders import Holders
from projections.journal import Journal
from projections.open_orders import OpenOrders
from projections.orders import Orders
from projections.positions import Positions
from projections.projection import Projection
from projections.settlements import Settlements
from projections.statements import Statements
from projections.transfers import Transfers

PROJECTIONS: tuple[Projection, ...] = (
    Balances(),
    Positions(),
    Orders(),
    Executions(),
    Activity(),
    Audit(),
    History(),
    Statements(),
    OpenOrders(),
    Holders(),
    Actors(),
    Journal(),
    Transfers(),
    Gains(),
    CorporateActions(),
    Dividends(),
    Settlements(),
    Cases(),
    Blocks(),
)

BY_NAME: dict[str, Projection] = {projection.name: projection for projection in PROJECTIONS}
