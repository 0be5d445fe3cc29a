"""The flags of the `daybook` command, and the settings they make together with the environment."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from infrastructure.settings import Settings

_GENERAL = Group("Settings", help="Each wins over its DAYBOOK_… variable in the environment.", sort_key=1)
_MARKET = Group("Market", sort_key=2)


@Parameter(name="*", group=_GENERAL, negative="")
@dataclass(frozen=True, kw_only=True)
class GeneralFlags:
    """Flags of every command; None leaves the environment or the default in charge."""

    host: str | None = None
    "Address the API listens on (default 127.0.0.1)."
    port: int | None = None
    "Port the API listens on (default 8000)."
    data_dir: Path | None = None
    "Folder of the embedded servers and of the lock (default .daybook)."
    database_url: str | None = None
    "PostgreSQL to use (default: the embedded one)."
    owner_database_url: str | None = None
    "The same database as the role that owns the schema, for migrations (default: --database-url)."
    redis_url: str | None = None
    "Redis to use (default: the embedded one)."
    log_level: str | None = None
    "debug, info, warning, error or critical (default info)."
    log_format: str | None = None
    "text or json (default text)."


@Parameter(name="*", group=_MARKET, negative="")
@dataclass(frozen=True, kw_only=True)
class MarketFlags:
    """Flags of the market: where its prices come from and how fast its time runs."""

    source: str | None = None
    "simulated, or replay of real data (default simulated)."
    path: list[str] | None = None
    "File or folder to replay; may be given several times (default: the daily bars that come with Daybook)."
    speed: str | None = None
    "Market seconds per wall second, or max (default 1). A trading day has 23,400 market seconds."
    symbols: int | None = None
    "How many symbols the simulated market has (default 20)."
    seed: int | None = None
    "Seed of the simulated market's randomness (default 7)."
    interval: float | None = None
    "Seconds of market time between two simulated ticks (default 1)."
    calendar: str | None = None
    "always, or an exchange such as XNYS (default always; XNYS for a replay)."
    exit_at_end: Annotated[bool | None, Parameter(negative="")] = None
    "End when the replay has reached the end of its data."


def settings_from(general: GeneralFlags, market: MarketFlags | None = None, **flags: Any) -> Settings:
    """The environment's settings, with flags that were given in their place. Raises SettingIsWrong.

    A replay runs on the market's own time and in New York's sessions unless told otherwise.
    """
    flags |= asdict(general)
    if market is not None:
        flags |= _named_as_settings(market)
    settings = Settings.from_environment(**flags)
    if settings.market_source == "replay":
        for name, value in (("clock", "market"), ("calendar", "XNYS")):
            if flags.get(name) is None and not os.environ.get(f"DAYBOOK_{name.upper()}"):
                flags[name] = value
        settings = Settings.from_environment(**flags)
    return settings


def _named_as_settings(market: MarketFlags) -> dict[str, Any]:
    flags = {f"market_{name}": value for name, value in asdict(market).items()}
    flags["calendar"] = flags.pop("market_calendar")
    return flags
