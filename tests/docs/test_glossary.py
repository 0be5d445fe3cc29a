"""One word per meaning: the glossary and the code agree."""

import ast
import re
from collections.abc import Iterator

import pytest

from application.commands import Command, OrderCommand, TransferCommand
from application.handlers import handle
from domain.account import AccountStatus
from domain.facts import TOPICS
from domain.matching import _IMMEDIATE
from domain.order import OrderStatus
from domain.terms import LotMethod, OrderType, Side, TimeInForce
from domain.transfer import Direction, TransferStatus
from infrastructure.people import ROLES as ROLES_OF_USERS
from interfaces.roles.running import ROLES as ROLES_OF_PROCESSES
from projections.catalogue import BY_NAME
from tests.docs.pages import ROOT, table_with, text_of, words

GLOSSARY = text_of("glossary.md")
FOLDERS = ("domain", "application", "projections", "infrastructure", "interfaces")

NOT_OUR_WORDS = {
    "canceled": "cancelled",
    "cancellation": "cancel",
    "realized": "realised",
    "unrealized": "unrealised",
    "denied": "rejected",
    "qty": "quantity",
    "px": "price",
    "avg": "average",
    "acct": "account",
    "pnl": "profit",
    "ticker": "symbol",
    "security": "symbol",
    "instrument": "symbol",
    "holding": "position",
    "manager": "what it does",
    "helper": "what it does",
    "util": "what it does",
    "utils": "what it does",
    "dto": "what it is",
}
"""Words that would be a second name for something, or none at all; and what is said instead."""

TELLS_OF_ANOTHER = {("interfaces/http/docs.py", "security")}  # OpenAPI's own word for who may enter

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def explained() -> set[str]:
    """Every word in backticks in the first two columns of the glossary's tables."""
    return {word for row in table_with(GLOSSARY) for cell in list(row.values())[:2] for word in words(cell)}


def topics_listed() -> list[str]:
    return [word for row in table_with(GLOSSARY, "topic") for word in words(row["topic"])]


def names_in_code() -> Iterator[tuple[str, str]]:
    """Every name that our code gives to something, with its file."""
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            path = file.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                name = _name_given(node)
                if name is not None:
                    yield path, name


def _name_given(node: ast.AST) -> str | None:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.arg(arg=name):
            return name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return name
    return None


@pytest.mark.parametrize(
    "kind", [OrderStatus, OrderType, TimeInForce, Side, AccountStatus, LotMethod, TransferStatus, Direction]
)
def test_every_word_that_customers_meet_is_explained(kind: type) -> None:
    assert {str(member) for member in kind} <= explained()  # type: ignore[attr-defined]


def test_every_reason_to_end_is_explained() -> None:
    reasons = {*_IMMEDIATE.values(), "requested", "session_closed"}

    assert reasons <= explained()


def test_the_events_listed_are_the_events_there_are() -> None:
    assert sorted(topics_listed()) == sorted(TOPICS.values())


def test_the_commands_listed_are_the_commands_that_are_decided() -> None:
    listed = [word for row in table_with(GLOSSARY, "word", "orders") for word in words(row["word"])]
    decided = {kind.__name__ for kind in handle.registry if issubclass(kind, Command)}

    assert sorted(listed) == sorted(
        decided - {Command.__name__, OrderCommand.__name__, TransferCommand.__name__}
    )


def test_the_projections_listed_are_the_projections_there_are() -> None:
    listed = [word for row in table_with(GLOSSARY, "name", "one row is") for word in words(row["name"])]

    assert sorted(listed) == sorted(BY_NAME)


def test_every_role_is_named() -> None:
    assert {*ROLES_OF_USERS, *ROLES_OF_PROCESSES} <= explained()


def test_an_event_is_named_for_what_happened() -> None:
    """A verb in the past, never the name of a row or a word that says only that it is an event."""
    verbs = [topic.partition(":")[0].partition(".")[2] for topic in TOPICS.values()]

    in_the_past = ("ed", "Held", "Withdrawn", "Paid", "Begun", "Split", "PutBack", "TakenBack", "Chosen")
    assert [verb for verb in verbs if not verb.endswith(in_the_past)] == []
    assert [verb for verb in verbs if "Updated" in verb or "Changed" in verb or verb.endswith("Event")] == []


def test_no_class_says_that_it_is_an_event() -> None:
    suffixed = [(path, name) for path, name in names_in_code() if re.fullmatch(r"\w+Event", name)]

    assert suffixed == []


def test_the_code_uses_no_second_word_for_a_thing() -> None:
    found = {
        (path, part.lower())
        for path, name in names_in_code()
        for part in _PARTS.findall(name)
        if part.lower() in NOT_OUR_WORDS
    }

    assert found - TELLS_OF_ANOTHER == set(), {word: NOT_OUR_WORDS[word] for _, word in found}


def test_the_glossary_explains_no_word_twice() -> None:
    named = [row["word"] for row in table_with(GLOSSARY, "word")]

    assert sorted({word for word in named if named.count(word) > 1}) == []
