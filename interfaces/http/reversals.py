"""Taking back what was recorded wrongly, and recording what is right, by staff with the role admin."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from application.answers import AccountAnswer, Answer
from application.commands import Command
from domain.values import money, price, quantity
from infrastructure.correcting import Right
from interfaces.http.call import Call
from interfaces.http.entrance import ADMIN
from interfaces.http.fields import LARGEST_POSITION, Amount, Reason, optional_number, printable
from interfaces.http.refusals import RequestMustBeWellFormed

Position = Annotated[int, Meta(ge=1, le=LARGEST_POSITION)]


class Wrong(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong, by its place in the log, and why, for those who examine us. Names no person."""

    log_position: Position
    reason: Reason


class Corrected(Wrong, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it should have been: `amount` in dollars, of income before taxes; or `price`, `quantity` of an execution."""

    amount: Amount | None = None
    price: Amount | None = None
    quantity: Amount | None = None


@post("/admin/reversals", status_code=200, roles=ADMIN)
async def reverse(request: Call, data: JSONBody[Wrong]) -> AccountAnswer:
    """Take back a deposit, a withdrawal, income, or an execution as a whole. Honours `Idempotency-Key`.

    Refused: `event_must_exist` (404), `event_must_be_reversible` (409), `event_must_not_be_reversed` (409),
    `lot_must_be_whole` (409), `available_cash_must_cover_reversal` (422).
    """
    reason = printable(data.reason, name="reason")
    find = request.parts.originals.reversal
    return await _execute(request, data, lambda: find(data.log_position, reason=reason))


@post("/admin/corrections", status_code=200, roles=ADMIN)
async def correct(request: Call, data: JSONBody[Corrected]) -> AccountAnswer:
    """Take it back, and record in the same decision what it should have been. Honours `Idempotency-Key`.

    Refused: as a reversal, and `correction_must_change_something` (422), `execution_must_not_exceed_leaves` (422),
    `execution_must_respect_its_limit` (422), `available_cash_must_cover_order` (422).
    """
    reason, right = printable(data.reason, name="reason"), _right(data)
    find = request.parts.originals.correction
    return await _execute(request, data, lambda: find(data.log_position, right, reason=reason))


def _right(data: Corrected) -> Right:
    amount, at, shares = (optional_number(one) for one in (data.amount, data.price, data.quantity))
    if (amount is None) == (at is None and shares is None):
        raise RequestMustBeWellFormed("either `amount`, or `price` and `quantity`, is needed", pointer="#")
    return Right(
        amount=None if amount is None else money(amount),
        price=None if at is None else price(at),
        quantity=None if shares is None else quantity(shares),
    )


async def _execute(request: Call, data: Wrong, find: Callable[[], Command]) -> AccountAnswer:
    command = await asyncio.to_thread(find)
    answer: Answer | Any = await request.execute(command, body=data)
    assert isinstance(answer, AccountAnswer)  # noqa: S101  what these commands are answered with
    return answer


ROUTES = [reverse, correct]
