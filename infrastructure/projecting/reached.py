"""How far projections have come, put together from what their partitions say about themselves."""

from collections import defaultdict
from collections.abc import Mapping

from infrastructure.projecting.standing import Lane


def lane_key(lane: Lane) -> str:
    """What a lane is called where positions are told: `balances`, or `balances/1/4` for one of four partitions."""
    return lane.name if lane.partitions == 1 else f"{lane.name}/{lane.partition}/{lane.partitions}"


class Reached:
    """Positions of lanes as they become known. A projection stands where its slowest partition does."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)

    def note(self, told: Mapping[str, int]) -> dict[str, int]:
        """Take in positions by lane key. Returns where whole projections stand, as far as that is known."""
        whole = {}
        for key, position in told.items():
            name, _, lane = key.partition("/")
            partition, _, partitions = lane.partition("/")
            lanes = self._lanes[name, partitions]
            lanes[partition] = max(position, lanes.get(partition, 0))
            if len(lanes) == int(partitions or 1):
                whole[name] = min(lanes.values())
        return whole
