"""docs/api.md lists every refusal, every route and the whole life of an order."""

import importlib
import pkgutil
from collections.abc import Iterator

from domain.errors import Refusal
from domain.order import LIFE
from interfaces.http.app import litestar_app
from interfaces.http.problems import TITLES, status_of
from tests.docs.pages import table_with, text_of, words

API = text_of("api.md")


def refusals() -> set[type[Refusal]]:
    """Every refusal of the program; not the categories, which others are kinds of."""
    for folder in ("domain", "application", "infrastructure", "interfaces"):
        package = importlib.import_module(folder)
        for module in pkgutil.walk_packages(package.__path__, f"{folder}."):
            importlib.import_module(module.name)
    ours = {kind for kind in _kinds_of(Refusal) if not kind.__module__.startswith("tests")}
    return {kind for kind in ours if not any(other.__base__ is kind for other in ours)}


def _kinds_of(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds_of(each)


def routes() -> set[str]:
    """Every route, as `METHOD /path/{parameter}`; the pages that describe them left out."""
    return {
        f"{method} {route.path}".replace(":uuid}", "}").replace(":str}", "}").replace(":int}", "}")
        for route in litestar_app().routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS" and not route.path.startswith("/docs")
    }


def test_every_refusal_is_listed_with_its_status() -> None:
    written = {(row["status"], *words(row["code"])) for row in table_with(API, "status", "code", "when")}

    assert written == {(str(status_of(kind)), kind.code) for kind in refusals()}


def test_no_two_refusals_have_the_same_code() -> None:
    codes = [kind.code for kind in refusals()]

    assert len(codes) == len(set(codes))


def test_every_status_has_a_title() -> None:
    assert {status_of(kind) for kind in refusals()} | {500} == set(TITLES)


def test_every_route_has_a_section_and_no_stranger() -> None:
    sections = {
        line.removeprefix("### ") for line in API.splitlines() if line.startswith("### ") and " /" in line
    }

    assert sections == routes()


def test_the_life_of_an_order_is_the_one_in_the_code() -> None:
    written = [
        (row["status"].strip("`"), words(row["event"])[0], words(row["status after"]))
        for row in table_with(API, "status", "event", "status after")
    ]

    assert written == [
        (str(status or "none"), f"Order.{fact}", [str(after) for after in statuses])
        for status, facts in LIFE.items()
        for fact, statuses in facts.items()
    ]
