"""What the wake-up channels say, for an event loop: how far the log and the read tables have come."""

import asyncio
from collections import defaultdict
from uuid import UUID

from infrastructure.projecting.reached import Reached
from infrastructure.redis.channels import LOG_APPENDED, PROJECTED, AsyncSubscription
from infrastructure.redis.wakeups import decode_appended, decode_projected


class News:
    """What the wake-up channels say: how far the log and each projection have come.

    Whoever waits for more gets an asyncio event that is set at the next message.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self.log_position = 0
        self.positions: dict[str, int] = {}
        self._lanes = Reached()
        self._projected = asyncio.Event()
        self._orders: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    async def follow(self) -> None:
        """Listen until cancelled."""
        subscription = AsyncSubscription(self._redis_url, [LOG_APPENDED, PROJECTED])
        try:
            async for channel, payload in subscription:
                if channel == PROJECTED:
                    self.reached(decode_projected(payload))
                else:
                    self._appended(payload)
        finally:
            await subscription.close()

    def reached(self, positions: dict[str, int]) -> None:
        """Note how far projections have come, and wake who waits for it."""
        self._further(self._lanes.note(positions))

    def _further(self, whole: dict[str, int]) -> None:
        further = {name: at for name, at in whole.items() if at > self.positions.get(name, -1)}
        if not further:
            return  # else all who wait would keep waking one another with what they have seen themselves
        self.positions.update(further)
        self._projected.set()
        self._projected = asyncio.Event()

    def looked(self, name: str, position: int, parked: int) -> None:
        """Note what the database itself says about a projection."""
        self._lanes.looked(name, parked=parked)
        self._further({name: position})

    def may_have_parked(self, name: str) -> bool:
        """Whether a projection may have put accounts aside."""
        return self._lanes.may_have_parked(name)

    async def projected(self, timeout: float) -> bool:  # noqa: ASYNC109, RUF100  a wait that may end early
        """Wait for projections to move, or for the time to be over. Whether one has moved."""
        return await _wait(self._projected, timeout)

    async def order_changed(self, order_id: UUID, timeout: float) -> None:  # noqa: ASYNC109, RUF100
        """Wait for an order to change, or for the time to be over."""
        changed = asyncio.Event()
        self._orders[order_id].add(changed)
        try:
            await _wait(changed, timeout)
        finally:
            self._orders[order_id].discard(changed)
            if not self._orders[order_id]:
                del self._orders[order_id]

    def _appended(self, payload: bytes) -> None:
        said = decode_appended(payload)
        self.log_position = max(self.log_position, said.log_position)
        changed = self._orders if said.orders is None else [i for i in said.orders if i in self._orders]
        for order_id in list(changed):
            for event in self._orders[order_id]:
                event.set()


async def _wait(event: asyncio.Event, timeout: float) -> bool:  # noqa: ASYNC109, RUF100
    """Whether it happened in time."""
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError:
        return False
    return True
