"""What an operator may set, how flags and environment combine, and what is refused."""

from decimal import Decimal
from pathlib import Path

import pytest

from infrastructure.settings import SettingIsWrong, Settings
from interfaces.cli.flags import GeneralFlags, MarketFlags, settings_from
from interfaces.roles.running import configure_logging


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.__struct_fields__:
        monkeypatch.delenv(f"DAYBOOK_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "eighty"),
        ("CLOCK", "sundial"),
        ("MARKET_SOURCE", "dreams"),
        ("COLLAR", "wide"),
        ("DEMO", "perhaps"),
        ("LOG_FORMAT", "xml"),
        ("PROJECTOR_PARTITIONS", "0"),
        ("SEAL_INTERVAL", "0"),
        ("PORT", "70000"),
        ("COLLAR", "2"),
        ("WITHHOLDING", "1"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingIsWrong, match=f"^DAYBOOK_{name} (cannot be used: |must be )") as refused:
        Settings.from_environment({f"DAYBOOK_{name}": text})
    assert "$" not in str(refused.value)


def test_an_unknown_log_level_is_refused() -> None:
    with pytest.raises(SettingIsWrong, match="DAYBOOK_LOG_LEVEL"):
        configure_logging(Settings(log_level="loud"), role="api")


def test_settings_survive_the_way_through_a_childs_environment() -> None:
    settings = Settings(
        data_dir=Path("/somewhere"), market_path=("a", "b"), collar=Decimal("0.1"), demo=True, port=8001
    )

    assert Settings.from_environment(settings.as_environment()) == settings


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_PORT", "8001")
    monkeypatch.setenv("DAYBOOK_MARKET_SPEED", "2")

    settings = settings_from(GeneralFlags(port=8002), MarketFlags(path=["folder"]))

    assert (settings.port, settings.market_speed, settings.market_path) == (8002, "2", ("folder",))


def test_a_replay_runs_on_the_markets_time_and_new_yorks_sessions() -> None:
    settings = settings_from(GeneralFlags(), MarketFlags(source="replay"))

    assert (settings.clock, settings.calendar) == ("market", "XNYS")


def test_a_replay_keeps_the_clock_and_calendar_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_CLOCK", "wall")

    settings = settings_from(GeneralFlags(), MarketFlags(source="replay", calendar="XLON"))

    assert (settings.clock, settings.calendar) == ("wall", "XLON")


def test_a_simulated_market_runs_on_the_walls_time() -> None:
    settings = settings_from(GeneralFlags(), MarketFlags(source="simulated"))

    assert (settings.clock, settings.calendar) == ("wall", "always")
