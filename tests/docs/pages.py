"""The pages of the documentation, as the tests read them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))

Row = dict[str, str]

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_RULE = re.compile(r"^\|[\s:|-]+\|$")


def text_of(name: str) -> str:
    """A page of docs/."""
    return (DOCS / name).read_text("utf-8")


def tables(text: str) -> Iterator[list[Row]]:
    """Every table, its rows by the names of their columns; code blocks are passed over."""
    lines = [line.strip() for line in _FENCE.sub("", text).splitlines()]
    head: list[str] = []
    rows: list[Row] = []
    for before, line in zip(["", *lines], [*lines, ""], strict=True):
        if _RULE.match(line):
            head, rows = _cells(before), []
        elif head and line.startswith("|"):
            rows.append(dict(zip(head, _cells(line), strict=True)))
        elif head:
            yield rows
            head = []


def table_with(text: str, *columns: str) -> list[Row]:
    """The rows of all tables that have these columns."""
    return [row for rows in tables(text) for row in rows if set(columns) <= set(row)]


def words(cell: str) -> list[str]:
    """What stands in backticks."""
    return _CODE.findall(cell)


def code_of(text: str) -> str:
    """Everything that is code: blocks and what stands in backticks."""
    blocks = _FENCE.findall(text)
    return "\n".join([*blocks, *_CODE.findall(_FENCE.sub("", text))])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
