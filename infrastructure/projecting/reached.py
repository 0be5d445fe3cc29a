"""How far projections have come, put together from what their partitions say about themselves."""

from collections import defaultdict
from collections.abc import Mapping

from infrastructure.projecting.standing import Lane

PARKED = "#parked"
"""After a lane's key: how many accounts the projection has put aside. Not told when there are none."""


def lane_key(lane: Lane) -> str:
    """What a lane is called where positions are told: `balances`, or `balances/1/4` for one of four partitions."""
    return lane.name if lane.partitions == 1 else f"{lane.name}/{lane.partition}/{lane.partitions}"


class Reached:
    """Positions of lanes as they become known. A projection stands where its slowest partition does."""

    def __init__(self) -> None:
        self._divided: dict[str, int] = {}
        self._lanes: dict[str, dict[str, int]] = defaultdict(dict)
        self._parked: dict[str, dict[str, int]] = defaultdict(dict)

    def note(self, told: Mapping[str, int]) -> dict[str, int]:
        """Take in positions by lane key. Returns where whole projections stand, as far as that is known."""
        whole = {}
        for key, position in told.items():
            if not key.endswith(PARKED):
                name, _, lane = key.partition("/")
                self._note(name, lane, position, told.get(key + PARKED, 0))
                if len(self._lanes[name]) == self._divided[name]:
                    whole[name] = min(self._lanes[name].values())
        return whole

    def looked(self, name: str, *, parked: int) -> None:
        """The database itself says how many accounts are parked."""
        self._parked[name] = dict.fromkeys(self._parked[name] or [""], parked)

    def may_have_parked(self, name: str) -> bool:
        """Whether accounts of this projection may stand further back than the others."""
        return any(self._parked[name].values())

    def _note(self, name: str, lane: str, position: int, parked: int) -> None:
        partitions = int(lane.partition("/")[2] or 1)
        if self._divided.get(name) != partitions:
            self._divided[name] = partitions
            self._lanes.pop(name, None)
            self._parked.pop(name, None)
        self._lanes[name][lane] = max(position, self._lanes[name].get(lane, 0))
        self._parked[name][lane] = parked
