"""Lists in pages: newest first, each page beginning after the last item of the one before.

A cursor holds a log position, or another place that no write moves, so what is written meanwhile neither
repeats nor hides an item.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from interfaces.http.fields import LARGEST_POSITION
from interfaces.http.refusals import CursorMustBeFromAPage

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """Some items, and the cursor of the page after them; null on the last one."""

    items: list[T]
    next_cursor: str | None = None


def cursor(kind: str, place: object) -> str:
    """A cursor into the list called `kind`, after the item at this place: a log position, or another key."""
    return base64.urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def before(kind: str, text: str | None) -> int:
    """The log position that all items of the page are before. Raises CursorMustBeFromAPage."""
    if text is None:
        return LARGEST_POSITION
    position = place_in(kind, text)
    if not (position.isdigit() and len(position) <= 19 and int(position) <= LARGEST_POSITION):
        raise CursorMustBeFromAPage(f"the cursor is not one of {kind}")
    return int(position)


def place_in(kind: str, text: str) -> str:
    """The place that a cursor of this list holds, as text. Raises CursorMustBeFromAPage."""
    try:
        padded = text + "=" * (-len(text) % 4)
        name, _, place = base64.b64decode(padded, b"-_", validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        raise CursorMustBeFromAPage("the cursor cannot be read") from None
    if name != kind:
        raise CursorMustBeFromAPage(f"the cursor is not one of {kind}")
    return place


def page(rows: list[Any], *, limit: int, kind: str, position: Callable[[Any], object]) -> Page[Any]:
    """A page of `limit` items out of rows that were read with one more, to see whether there is more."""
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items=items, next_cursor=cursor(kind, position(items[-1])) if more else None)
