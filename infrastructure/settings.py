"""Every setting of Daybook, its default, and the environment variable that sets it.

`Settings.from_environment()` reads `DAYBOOK_<FIELD IN CAPITALS>`; the command line's flags replace
single fields. A value that cannot be read ends the program with a sentence, not a stack trace.
"""

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from application.expected import TellTheOperator

PREFIX = "DAYBOOK_"


class SettingIsWrong(TellTheOperator):
    """A setting's text cannot be read as what it must be."""


class Settings(Struct, frozen=True, kw_only=True):
    """All settings. Times are seconds unless the name says otherwise."""

    database_url: str | None = None  # the role that runs Daybook; None: embedded PostgreSQL
    owner_database_url: str | None = None  # the role that owns the schema; None: database_url
    redis_url: str | None = None  # None: embedded Redis
    data_dir: Path = Path(".daybook")
    master_key_file: Path | None = None  # its first line wraps every personal key; None: master_key
    master_key: str | None = None  # the same as text, 32 bytes in base64; the embedded Daybook makes a file
    visitor_days: Annotated[int, Meta(ge=1)] = (
        30  # how long it can be read where somebody without a login was
    )
    erasure_earliest_years: Annotated[int, Meta(ge=0, le=100)] = 0  # after the account was closed
    host: str = "127.0.0.1"
    port: int = 8000
    clock: Literal["wall", "market"] = "wall"
    calendar: str = "always"  # "always", or a name of exchange-calendars such as "XNYS"
    market_source: Literal["simulated", "replay"] = "simulated"
    market_path: tuple[str, ...] = ()  # files or folders to replay; empty: bokeh's daily bars
    market_symbols: int = 20
    market_seed: int = 7
    market_interval: float = 1.0
    market_speed: str = "1"  # market seconds per wall second, or "max"
    market_exit_at_end: bool = False  # whether the market role ends with its data, rather than idling
    collar: Decimal = Decimal("0.05")
    settlement_days: Annotated[int, Meta(ge=0, le=10)] = 1  # sessions from trade to settlement
    fees: Literal["us", "none"] = "us"  # what regulators charge for trades, by trade date
    commission_file: Path | None = None  # the broker's own charges; None: none
    stop_elected_by: Literal["last", "quote"] = "last"
    funding: Literal["instant", "ach"] = (
        "instant"  # whether transfers are made at once, or by a simulated bank
    )
    funding_delay: Annotated[float, Meta(gt=0, le=31_536_000)] = (
        86_400.0  # what that bank takes, by the clock
    )
    transfers_final_days: Annotated[int, Meta(ge=0, le=3650)] = (
        60  # after which a bank returns no transfer any more; Nacha's limit for what was not authorised
    )
    fill_wait_ms: int = 250
    position_wait: float = 2.0
    projector_partitions: Annotated[int, Meta(ge=1, le=256)] = 1  # shares of the accounts, by their id
    interest_rates: str = (
        ""  # on cash: "2026-01-01:0.035,2026-07-01:0.0325", parts of one a year; empty: none
    )
    withholding: Decimal = Decimal(0)  # the part of dividends and interest that is kept for the tax office
    projectors: Annotated[int, Meta(ge=1, le=64)] = 1  # processes that `daybook up` starts
    login_hours: int = 24
    snapshot_every: int = 1000
    account_snapshot_every: Annotated[int, Meta(ge=10)] = 250
    cache_aggregates: int = 200_000
    queue_limit: int = 10_000
    requests_limit: int = 1_000
    batch_limit: int = 512
    seal_interval: Annotated[float, Meta(gt=0)] = 1.0
    seal_events: Annotated[int, Meta(ge=1, le=100_000)] = 10_000  # a seal is written for so many at most
    seal_file: Path | None = None  # None: seals/seals.jsonl in the data folder
    seal_key: Path | None = None  # None: seals/seals.key in the data folder, made when nothing is sealed yet
    seal_bucket: str | None = None  # https://host/bucket/folder, with object lock
    seal_bucket_interval: Annotated[float, Meta(gt=0)] = 60.0
    seal_retention_days: Annotated[int, Meta(ge=1)] = 2192  # six years
    cat_reporter: str = "DAYB"  # what the Consolidated Audit Trail calls this firm: its IMID
    archive_folder: Path | None = None  # None: archive in the data folder
    retention_years: Annotated[int, Meta(ge=6, le=100)] = 6  # before an archive may be destroyed: 6 or 7
    surveillance_round_trips: Annotated[int, Meta(ge=1)] = 10  # of a symbol on a day; more are wash trading
    surveillance_block_hours: Annotated[float, Meta(ge=0, le=8760)] = 24.0  # for wash trading; 0: no block
    surveillance_cancels: Annotated[int, Meta(ge=1)] = 20  # more within so many seconds are an alert
    surveillance_cancel_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    surveillance_cancel_filled_percent: Decimal = Decimal(10)  # unless so many of a hundred orders filled
    surveillance_move_percent: Decimal = Decimal(5)  # a price that moves so far after a trade is an alert
    surveillance_move_minutes: Annotated[float, Meta(gt=0, le=1440)] = 30.0  # within so many minutes
    surveillance_move_notional: Decimal = Decimal(10_000)  # dollars of the trade; smaller ones are left alone
    surveillance_dormant_days: Annotated[int, Meta(ge=1, le=36_500)] = 365  # without anything by the customer
    surveillance_dormant_watch_days: Annotated[int, Meta(ge=1, le=36_500)] = 30  # after the awakening
    log_level: str = "info"
    log_format: Literal["text", "json"] = "text"
    demo: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **flags: Any) -> "Settings":
        """Read the environment, then let flags that are not None win. Raises SettingIsWrong."""
        found = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for field in cls.__struct_fields__:
            text = found.get(PREFIX + field.upper())
            if text is not None and text != "":
                values[field] = text.split(os.pathsep) if field == "market_path" else text
        values.update({name: value for name, value in flags.items() if value is not None})
        try:
            settings = msgspec.convert(values, cls, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise SettingIsWrong(_sentence(error)) from error
        settings.require_usable()
        return settings

    def require_usable(self) -> None:
        """Raise SettingIsWrong for what has the right type but cannot be meant."""
        if not 0 <= self.port <= 65535:
            raise SettingIsWrong(f"DAYBOOK_PORT must be from 0 to 65535, not {self.port}")
        if not (self.collar.is_finite() and 0 <= self.collar <= 1):
            raise SettingIsWrong(f"DAYBOOK_COLLAR must be from 0 to 1, not {self.collar}")
        if not (self.withholding.is_finite() and 0 <= self.withholding < 1):
            raise SettingIsWrong(f"DAYBOOK_WITHHOLDING must be from 0 to less than 1, not {self.withholding}")
        self._require_thresholds()
        if self.master_key is not None and self.master_key_file is not None:
            raise SettingIsWrong("set DAYBOOK_MASTER_KEY_FILE or DAYBOOK_MASTER_KEY, not both")
        for name in ("database_url", "owner_database_url"):
            _require_connection_url(name, getattr(self, name))

    def _require_thresholds(self) -> None:
        """The thresholds of surveillance that are decimals."""
        for name, most in (("cancel_filled_percent", 100), ("move_percent", 1000), ("move_notional", 10**15)):
            value: Decimal = getattr(self, f"surveillance_{name}")
            if not (value.is_finite() and 0 <= value <= most) or (name == "move_percent" and not value):
                raise SettingIsWrong(
                    f"{PREFIX}SURVEILLANCE_{name.upper()} must be from 0 to {most}, not {value}"
                )

    def as_environment(self) -> dict[str, str]:
        """The same settings as environment variables, to hand to a child process."""
        variables = {}
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if value is not None and value != ():
                variables[PREFIX + field.upper()] = (
                    os.pathsep.join(value) if field == "market_path" else str(value)
                )
        return variables


def _require_connection_url(name: str, url: str | None) -> None:
    if url is None:
        return
    from psycopg import ProgrammingError, conninfo  # only here: `--help` needs no driver

    try:
        conninfo.conninfo_to_dict(url)
    except ProgrammingError as error:
        raise SettingIsWrong(f"{PREFIX}{name.upper()} is no PostgreSQL URL: {str(error).strip()}") from error


def _sentence(error: msgspec.ValidationError) -> str:
    """msgspec ends its sentence with where it is wrong, as "… - at `$.market_symbols`"; operators know the variable."""
    what, _, field = str(error).partition(" - at `$.")
    name = PREFIX + field.rstrip("`").partition("[")[0].upper()
    return f"{name if field else f'a {PREFIX}… setting'} cannot be used: {what}"


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise TypeError(f"{value!r} is not a {kind.__name__}")
