"""Exports for an event loop: few at once, and none for a client that does not read."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from application.errors import ExportsMustBeFew
from infrastructure.books import downloads
from infrastructure.books.downloads import ClientMustRead, Exports
from infrastructure.books.scope import Wanted
from tests.books.story import Two


@pytest.fixture
def two(database: Any) -> Iterator[Two]:
    shop = Two(database.app_url).live()
    shop.project()
    yield shop
    shop.close()


def test_no_more_than_a_few_are_made_at_once(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PARTS_AHEAD", 1)
    monkeypatch.setattr("infrastructure.books.exporting.PART", 100)
    exports = Exports(two.url, two.now)

    async def work() -> bytes:
        begun = [await exports.begin("beancount", Wanted()) for _ in range(downloads.AT_ONCE)]
        with pytest.raises(ExportsMustBeFew):
            await exports.begin("beancount", Wanted())
        files = [b"".join([part async for part in parts]) for parts in begun]
        assert len(set(files)) == 1
        again = await exports.begin("beancount", Wanted())
        return files[0] if b"".join([part async for part in again]) == files[0] else b""

    assert asyncio.run(work()) == two.books("beancount")


def test_a_client_that_does_not_read_is_given_up(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PARTS_AHEAD", 1)
    monkeypatch.setattr(downloads, "PATIENCE_S", 0.1)
    monkeypatch.setattr(downloads, "LOOK_S", 0.05)
    monkeypatch.setattr("infrastructure.books.exporting.PART", 100)
    exports = Exports(two.url, two.now)

    async def work() -> None:
        parts = await exports.begin("beancount", Wanted())
        await asyncio.sleep(1)
        with pytest.raises(ClientMustRead):
            assert [part async for part in parts]

    asyncio.run(work())
