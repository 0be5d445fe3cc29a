"""Look-ups that gather: each asker's own fate."""

import asyncio
from collections.abc import Sequence

import pytest

from infrastructure.gathering import Gathering


def test_who_gives_up_takes_nobody_along() -> None:
    async def live() -> None:
        asked: list[list[str]] = []

        async def read(keys: Sequence[str]) -> dict[str, str]:
            asked.append(list(keys))
            await asyncio.sleep(0.01)
            return {key: key.upper() for key in keys if key != "nobody"}

        gathering = Gathering(read)
        first, gone, second = (asyncio.create_task(gathering.ask("a")) for _ in range(3))
        other, nobody = asyncio.create_task(gathering.ask("b")), asyncio.create_task(gathering.ask("nobody"))
        await asyncio.sleep(0)
        gone.cancel()

        assert [await first, await second, await other, await nobody] == ["A", "A", "B", None]
        assert gone.cancelled()
        assert asked == [["a", "b", "nobody"]]
        assert await gathering.ask("b") == "B"

    asyncio.run(live())


def test_a_fault_is_told_to_all_who_still_wait_and_the_next_are_served() -> None:
    async def live() -> None:
        faults = [OSError("away")]

        async def read(keys: Sequence[str]) -> dict[str, str]:
            await asyncio.sleep(0.01)
            if faults:
                raise faults.pop()
            return {key: key.upper() for key in keys}

        gathering = Gathering(read)
        first, gone = asyncio.create_task(gathering.ask("a")), asyncio.create_task(gathering.ask("a"))
        await asyncio.sleep(0)
        gone.cancel()

        with pytest.raises(OSError, match="away"):
            await first
        assert await gathering.ask("a") == "A"

    asyncio.run(live())
