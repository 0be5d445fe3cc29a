"""The recipe for a projection is followed to the letter: its code is taken out of the page and run."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infrastructure.projecting.operating import rebuild_all
from interfaces.http.app import litestar_app
from interfaces.http.entrance import CUSTOMER
from projections import catalogue
from tests.docs.pages import text_of
from tests.projecting.worked import ANN, Desk, deposit, project, table, work

_BLOCK = re.compile(r"^```python\n# (\S+)\.py\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = dict(_BLOCK.findall(text_of("recipes/add-a-projection.md")))


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of the page under their names, the projection in the catalogue."""
    found = {}
    for path, code in BLOCKS.items():
        name, file = path.replace("/", "."), tmp_path / f"{Path(path).name}.py"
        file.write_text(code, encoding="utf-8")
        found[path] = _load(name, file, monkeypatch)
    projection = found["projections/turnover"].Turnover()
    monkeypatch.setitem(catalogue.BY_NAME, projection.name, projection)
    return found


def _load(name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    one = Desk(database.app_url)
    yield one
    one.close()


def test_the_page_has_a_projection_a_route_and_a_test() -> None:
    assert list(BLOCKS) == [
        "projections/turnover",
        "interfaces/http/turnover",
        "tests/projecting/test_turnover",
    ]


def test_the_test_of_the_page_passes_on_a_real_projector(followed: Any, desk: Desk) -> None:
    tests = vars(followed["tests/projecting/test_turnover"])
    found = [test for name, test in tests.items() if name.startswith("test_")]

    assert len(found) == 1
    found[0](desk)


def test_the_projection_of_the_page_goes_on_and_is_rebuilt_like_every_other(
    followed: Any, desk: Desk
) -> None:
    projection = followed["projections/turnover"].Turnover()
    work(desk)
    project(desk.url, projections=[projection], batch=3)
    rows = table(desk.url, "turnover")
    desk.do(deposit(ANN))
    project(desk.url, projections=[projection])

    (result,) = rebuild_all(desk.url, ["turnover"])

    assert len(rows) == 2
    assert table(desk.url, "turnover") == rows
    assert (result.rows, result.differences) == (2, 0)


def test_the_route_of_the_page_is_one_that_the_api_takes(followed: Any) -> None:
    (route,) = followed["interfaces/http/turnover"].ROUTES
    paths = litestar_app([route]).openapi_schema.to_schema()["paths"]

    assert route.opt["roles"] == CUSTOMER
    assert paths["/account/turnover"]["get"]["description"] == "What was paid and received for each symbol."
