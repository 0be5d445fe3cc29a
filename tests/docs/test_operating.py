"""The settings in docs/operating.md are the settings there are, with their real defaults."""

import dataclasses
from pathlib import Path

import msgspec

from infrastructure.figures import FAMILIES
from infrastructure.settings import PREFIX, Settings
from interfaces.cli.flags import GeneralFlags, MarketFlags
from tests.docs.pages import Row, table_with, text_of, words

TABLE = table_with(text_of("operating.md"), "variable", "default", "flag")


def listed(row: Row) -> str:
    """The field that a row is about."""
    (variable,) = words(row["variable"])
    return variable.removeprefix(PREFIX).lower()


def flag_of(row: Row) -> str:
    """The flag as written, or `none`."""
    return words(row["flag"])[0] if words(row["flag"]) else row["flag"]


def as_written(default: object) -> str:
    """A default as the page writes it."""
    if default is None or default in ((), ""):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def test_every_setting_is_listed_once_and_no_stranger() -> None:
    assert sorted(map(listed, TABLE)) == sorted(Settings.__struct_fields__)


def test_every_default_is_the_real_one() -> None:
    defaults = {field.name: as_written(field.default) for field in msgspec.structs.fields(Settings)}

    assert {listed(row): row["default"] for row in TABLE} == defaults


def test_every_flag_is_named_beside_its_setting() -> None:
    general = {field.name: field.name for field in dataclasses.fields(GeneralFlags)}
    market = {
        "calendar" if field.name == "calendar" else f"market_{field.name}": field.name
        for field in dataclasses.fields(MarketFlags)
    }
    flags = {setting: "--" + name.replace("_", "-") for setting, name in {**general, **market}.items()}
    flags["demo"] = "--demo"

    assert {listed(row): flag_of(row) for row in TABLE} == {
        setting: flags.get(setting, "none") for setting in Settings.__struct_fields__
    }


def test_a_default_is_what_a_program_without_any_setting_gets() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings().data_dir == Path(".daybook")


def test_every_figure_of_a_process_is_listed_and_no_stranger() -> None:
    told = {
        f"daybook_{name}{'_total' if family.kind == 'counter' else ''}" for name, family in FAMILIES.items()
    }
    listed = {
        name
        for row in table_with(text_of("operating.md"), "figure", "more labels", "says")
        for name in words(row["figure"])
    }

    assert listed == told
