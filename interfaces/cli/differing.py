"""How differences and the lives of orders are shown: what changed, and by which events."""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from application.changes import AccountDifference, Change
from application.walking import OrderWalk, Step
from infrastructure.reading import History


def show_difference(found: AccountDifference, *, as_json: bool) -> None:
    """Print it, as one line of JSON or for people."""
    print(msgspec.json.encode(found).decode() if as_json else "\n".join(_difference(found)))


def show_walk(history: History, order_id: UUID, *, as_json: bool) -> None:
    """Print an order's life."""
    found = history.walk(order_id)
    print(msgspec.json.encode(found).decode() if as_json else "\n".join(_walk(found)))


def _difference(found: AccountDifference) -> Iterator[str]:
    events = {one.log_position: one for one in found.events}
    yield f"account {found.account_id}, from log position {found.from_position} to {found.to_position}"
    yield f"{len(found.events)} events, {len(found.changes)} fields changed"
    for change in found.changes:
        yield f"\n{_change(change)}"
        yield from (f"    by {at} {events[at].event}" for at in change.changed_by)


def _walk(found: OrderWalk) -> Iterator[str]:
    yield f"order {found.order_id} of account {found.account_id}, {found.symbol}"
    for step in found.steps:
        yield from _step(step, own=f"orders/{found.order_id}/")


def _step(step: Step, *, own: str) -> Iterator[str]:
    """The account before and after, then what else changed; fields of the order itself by their own names."""
    yield f"\n{step.log_position}  {step.event}  {step.recorded_at.isoformat()}"
    for name in step.before.__struct_fields__:
        before, after = getattr(step.before, name), getattr(step.after, name)
        yield f"  {name:<16}{_said(before):>20}{'' if before == after else f'  -> {_said(after)}'}"
    told = {"cash", "held", "available", f"{own}status", f"{own}filled_quantity"}
    for change in step.changes:
        if change.field not in told:
            field = change.field.replace(own, "order ", 1)
            yield f"  {field}: {_said(change.before)} -> {_said(change.after)}"


def _change(change: Change) -> str:
    return f"{change.field}: {_said(change.before)} -> {_said(change.after)}"


def _said(value: object) -> str:
    return "nothing" if value is None else str(value)
