"""The page that examiners have: its questions, and the commands that it answers them by."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compliance.md"

_SECTION = re.compile(r"^#{2,3} (?:(\d+)\. )?(.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"[A-Z][A-Z_]+")


class Question(Struct, frozen=True, kw_only=True):
    """One of the page's numbered questions, and its commands, with words in capitals still to be put in."""

    number: int
    title: str
    commands: list[str]


def questions(text: str | None = None) -> list[Question]:
    """All of them, in order. Number 0 is what comes before they begin: how to find things."""
    found = []
    for title, number, body in _sections(text or PAGE.read_text("utf-8")):
        if number or title == "Before you ask":
            commands = [line for block in _BLOCK.findall(body) for line in _commands(block)]
            found.append(Question(number=int(number or 0), title=title, commands=commands))
    return found


def filled(command: str, words: Mapping[str, str]) -> list[str]:
    """The command's words after `daybook`, what stands in capitals replaced. Raises KeyError for a word nobody knows."""
    first, *rest = shlex.split(command)
    assert first == "daybook", command
    return [_WORD.sub(lambda word: words[word[0]], part) if _WORD.fullmatch(part) else part for part in rest]


def _sections(text: str) -> Iterator[tuple[str, str, str]]:
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        yield head[2], head[1] or "", text[head.end() : end]


def _commands(block: str) -> Iterator[str]:
    for line in block.splitlines():
        command = line.partition(" #")[0].strip()
        if command:
            yield command
