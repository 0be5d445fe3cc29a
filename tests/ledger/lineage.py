"""Whether the events that an answer about the past names add up to every number in it, told without its own code."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from application.history import AccountAsOf
from domain.account import Account
from domain.order import Order
from domain.position import Position
from projections.projection import Fact
from tests.ledger import naive

APART = {"lineage", "last_quotes"}
"""Quotes name their own events."""


def require_numbers_explained(plain: AccountAsOf, explained: AccountAsOf, then: Sequence[Fact]) -> None:
    """Every number and no other is explained; contributions add up to it; those to the obvious ones are what the facts say."""
    assert replace(explained, lineage=UNSET) == plain
    lineage = explained.lineage
    assert lineage is not UNSET
    numbers = dict(numbers_in(explained))
    assert {path: sum((one.amount for one in made), Decimal(0)) for path, made in lineage.items()} == numbers
    named = {fact.log_position: fact for fact in then}
    for path, made in lineage.items():
        positions = [one.log_position for one in made]
        assert positions == sorted(set(positions)), path
        assert all(one.amount and named[one.log_position].topic.startswith(one.event) for one in made), path
    _require_what_facts_say(lineage, then)


def _require_what_facts_say(lineage: Any, then: Sequence[Fact]) -> None:
    cash = [(fact.log_position, naive.cash_moved(fact)) for fact in then if naive.cash_moved(fact)]
    assert [(one.log_position, one.amount) for one in lineage["cash"]] == cash
    held = [(fact.log_position, _held(fact.event)) for fact in then if _held(fact.event)]
    # What a reversal gives back is told by the fact inside it.
    made = [one for one in lineage["held"] if not one.event.endswith(".Reversed")]
    assert [(one.log_position, one.amount) for one in made] == held
    opened = {f"positions/{fact.event.symbol}/lots/{fact.event.lot.lot_id}/quantity": fact for fact in then
              if isinstance(fact.event, Position.LotOpened)}  # fmt: skip
    for path in opened.keys() & lineage.keys():
        first, fact = lineage[path][0], opened[path]
        assert (first.log_position, first.amount) == (fact.log_position, fact.event.lot.quantity)
    filled = [fact for fact in then if isinstance(fact.event, Order.Executed)]
    for path, made in lineage.items():
        if path.startswith("orders/") and path.endswith("/filled_quantity"):
            executed = {
                f.log_position: f.event.quantity for f in filled if str(f.event.originator_id) in path
            }
            assert {one.log_position: one.amount for one in made if one.event == "Order.Executed"} == executed


def _held(event: Any) -> Decimal:
    match event:
        case Account.FundsHeld(amount=amount):
            return amount
        case Account.FundsReleased(amount=amount):
            return -amount
        case Account.PurchaseDebited(released=released):
            return -released
        case _:
            return Decimal(0)


def numbers_in(answer: AccountAsOf) -> Iterator[tuple[str, Decimal]]:
    """Every number of an answer, with its path."""
    for name in answer.__struct_fields__:
        if name not in APART:
            yield from _numbers(getattr(answer, name), "orders" if name == "open_orders" else name)


def _numbers(value: Any, path: str) -> Iterator[tuple[str, Decimal]]:
    if isinstance(value, Decimal):
        yield path, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _numbers(one, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for one in value:
            names = ("lot_id", "order_id", "symbol")
            key = next((getattr(one, name) for name in names if hasattr(one, name)), None)
            yield from _numbers(one, f"{path}/{key}")
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _numbers(getattr(value, name), f"{path}/{name}")
