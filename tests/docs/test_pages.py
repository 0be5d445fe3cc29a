"""What the pages point to is there: other pages, headings, make targets, commands and their flags, files."""

import re
from pathlib import Path

import pytest
from cyclopts import App
from cyclopts.argument import Argument

from interfaces.cli import main
from tests.docs.pages import DOCS, PAGES, ROOT, code_of

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MAKE = re.compile(r"\bmake ([a-z]+)")
_WORD = "[a-z]+(?:-[a-z]+)*"
_DAYBOOK = re.compile(rf"^daybook ({_WORD}(?: {_WORD})?)([^\n#]*)", re.MULTILINE)
_FLAG = re.compile(r"(?<!\S)--([a-z][a-z-]*)")
_FILE = re.compile(r"\b(?:domain|application|projections|infrastructure|interfaces|tests)/[\w./-]*\w")
_MADE = re.compile(r"^```python\n# (\S+\.py)$", re.MULTILINE)
_MEDIA_TYPES = {"application/json", "application/problem"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(page.read_text("utf-8"))
    }


def known_flags(app: App = main.app) -> set[str]:
    """Every flag of every command, without its dashes."""
    found = {name for argument in _arguments(app) for name in argument.names}
    return {name.lstrip("-") for name in found} | {
        flag for name in commands_of(app) for flag in known_flags(app[name])
    }


def commands_of(app: App) -> set[str]:
    """The commands of an application, by name."""
    return {name for name in app if not name.startswith("-")}


def _arguments(app: App) -> list[Argument]:
    return [] if app.default_command is None else list(app.assemble_argument_collection())


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@each_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert set(_MAKE.findall(code_of(page.read_text("utf-8")))) - targets == set()


@each_page
def test_every_command_exists(page: Path) -> None:
    commands, flags = commands_of(main.app), known_flags() | {"help", "version"}
    unknown = []
    for name, rest in _DAYBOOK.findall(code_of(page.read_text("utf-8"))):
        first, _, second = name.partition(" ")
        inside = commands_of(main.app[first]) if first in commands else set()
        needs_more = bool(inside) and (bool(second) or main.app[first].default_command is None)
        if first not in commands or (needs_more and second not in inside):
            unknown.append(name)
        unknown += [flag for flag in _FLAG.findall(rest) if flag not in flags]

    assert unknown == []


@each_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    made = set(_MADE.findall(text))  # by the page itself
    named = set(_FILE.findall(code_of(text))) - _MEDIA_TYPES - made

    assert [name for name in named if not (ROOT / name).exists()] == []


@each_page
def test_no_page_mentions_the_place_it_was_written_at(page: Path) -> None:
    text = page.read_text("utf-8")

    assert re.findall(r"/(?:home|root|Users)/\S*", text) == []


def test_the_index_leads_to_every_page() -> None:
    linked = {
        (DOCS / link.partition("#")[0]).resolve()
        for link in _LINK.findall((DOCS / "index.md").read_text("utf-8"))
    }
    pages = {page for page in PAGES if page.parent != ROOT and page.name != "index.md"}

    assert pages - linked == set()


def test_decisions_are_numbered_without_a_gap_and_told_in_three_parts() -> None:
    decisions = [page for page in PAGES if page.parent.name == "decisions"]

    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for number, page in enumerate(decisions, 1):
        first, *parts = _HEADING.findall(page.read_text("utf-8"))
        assert first.startswith(f"{number}. ")
        assert parts == ["Context", "Decision", "Consequences"]
