"""A position: the shares of one symbol that one account owns, in lots with their cost.

`core` has buying, selling and what orders to sell reserve; each further room adds facts of one kind to it.
"""

from domain.position.core import Position, position_id
from domain.position.lots import Lot, Relief
from domain.position.splitting import SplitLot, SplitRatio, SplitReserve

__all__ = ["Lot", "Position", "Relief", "SplitLot", "SplitRatio", "SplitReserve", "position_id"]
