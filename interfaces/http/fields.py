"""The types of fields and parameters that several resources share."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID, uuid5

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from domain.errors import InstantMustBeWellFormed
from interfaces.http.lasting import kept_for_ever as kept_for_ever
from interfaces.http.refusals import RequestMustBeWellFormed

LARGEST_POSITION = 2**62

Amount: TypeAlias = (
    Annotated[
        str,
        Meta(
            pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,20})?$",
            description="A decimal number as a string, or a whole number. JSON floats are refused: not exact.",
            examples=["1.50"],
        ),
    ]
    | int
)
"""Money, a price or a quantity as it comes in. The domain says how many places and how much are allowed."""

ClientOrderId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[ -~]*$")]
Reason: TypeAlias = Annotated[str, Meta(min_length=1, max_length=500)]

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=500, description="Items on a page")]
Cursor: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=200, description="`next_cursor` of the page before")
]
MinPosition: TypeAlias = Annotated[
    int | None,
    QueryParameter(
        ge=0, le=LARGEST_POSITION, description="Answer only once the read table has reached this log position"
    ),
]
LogPosition: TypeAlias = Annotated[int | None, QueryParameter(ge=1, le=LARGEST_POSITION)]


def number(amount: str | int) -> Decimal:
    """The exact number that came in."""
    try:
        return Decimal(amount)
    except ValueError:  # Python refuses to read integers of thousands of digits
        raise RequestMustBeWellFormed("a number has at most 20 digits") from None


def optional_number(amount: str | int | None) -> Decimal | None:
    """The same for a number that may be left out."""
    return None if amount is None else number(amount)


def printable(text: str, *, name: str) -> str:
    """A text without control characters: they cannot be stored everywhere. Raises RequestMustBeWellFormed."""
    stripped = text.strip()
    if not stripped or not stripped.isprintable():
        raise RequestMustBeWellFormed(f"{name} must be printable text", pointer=f"#/{name}")
    return stripped


def instant(text: str) -> datetime:
    """A moment with its offset from UTC. Raises InstantMustBeWellFormed.

    A `+` that was not escaped in a query arrives as a blank; it is taken for what was meant.
    """
    try:
        moment = msgspec.convert(text.replace(" ", "+") if "T" in text else text, datetime)
        if moment.tzinfo is None:
            raise InstantMustBeWellFormed(f"{text!r} has no offset from UTC, such as Z or +02:00")
        return moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise InstantMustBeWellFormed(f"{text!r} is not a moment such as 2026-01-31T14:30:00Z") from None


def order_uuid(account_id: UUID, client_order_id: str) -> UUID:
    """The id of the order that a customer calls `client_order_id`: the same each time."""
    return uuid5(account_id, "order/" + client_order_id)
