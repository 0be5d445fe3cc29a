"""Reading what the command line prints, as a person with a ruler would: no code of Daybook's is asked."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.scenarios.house import Said

_NUMBER = re.compile(r"^(\w[\w/.-]*?):?  ?\s*(-?\d+\.\d+)(?: |$)")
_MADE_BY = re.compile(r"^\s+([+-]\d+\.\d+)  at (\d+)  (\S+)$")
_CHANGE = re.compile(r"^(\S+): (.+) -> (.+)$")
_BY = re.compile(r"^    by (\d+) (\S+)$")
_STEP = re.compile(r"^(\d+)  (\S+\.\S+)  (\S+)$")


def right(said: Said, code: int = 0) -> str:
    """What it printed, after it ended with this code."""
    assert said.code == code, f"{said.command} ended with {said.code}: {said.out}{said.err}"
    return said.out


def as_json(said: Said) -> Any:
    """The one line of JSON that it printed."""
    return json.loads(right(said))


def as_lines(said: Said) -> list[Any]:
    """Each line that it printed, as JSON."""
    return [json.loads(line) for line in right(said).splitlines()]


def numbers(text: str) -> dict[str, Decimal]:
    """Amounts of money by the name in front of them, such as `cash   39950.00`."""
    found = (_NUMBER.match(line) for line in text.splitlines())
    return {one[1]: Decimal(one[2]) for one in found if one is not None}


def contributions(text: str) -> dict[str, list[tuple[Decimal, int, str]]]:
    """By each number what made it: by how much, at which log position, the fact's name."""
    found: dict[str, list[tuple[Decimal, int, str]]] = {}
    name = ""
    for line in text.splitlines():
        made = _MADE_BY.match(line)
        if made is not None:
            found.setdefault(name, []).append((Decimal(made[1]), int(made[2]), made[3]))
        elif line:
            name = line.split()[0]
    return found


def changes(text: str) -> dict[str, tuple[str, str, list[tuple[int, str]]]]:
    """By each field what it was, what it is, and the facts in between."""
    found: dict[str, tuple[str, str, list[tuple[int, str]]]] = {}
    field = ""
    for line in text.splitlines():
        change, by = _CHANGE.match(line), _BY.match(line)
        if change is not None:
            field = change[1]
            found[field] = (change[2], change[3], [])
        elif by is not None:
            found[field][2].append((int(by[1]), by[2]))
    return found


def steps(text: str) -> Iterator[tuple[int, str, str, dict[str, str]]]:
    """Each step of an order: log position, fact, moment, and its lines by their names."""
    parts = re.split(r"^(?=\d+  \S+\.\S+  )", text, flags=re.MULTILINE)
    for part in parts[1:]:
        first, *rest = part.strip().splitlines()
        head = _STEP.match(first)
        assert head is not None, first
        yield int(head[1]), head[2], head[3], dict(_named(line.strip()) for line in rest)


def _named(line: str) -> tuple[str, str]:
    """A line's name and what is said of it: `cash  1.00  -> 2.00`, or `order quantity: nothing -> 5`."""
    name, colon, rest = line.partition(": ")
    if colon:
        return name, rest
    name, rest = line.split(None, 1)
    return name, rest
