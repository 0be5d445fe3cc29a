"""How far the market has come, in a file of its own, so that a restart goes on from there."""

import os
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from infrastructure.market.sources import MarketDataCannotBeRead
from infrastructure.settings import Settings

FILE = "market.json"
AT_MOST_EACH = 1.0  # seconds between two writes


class Progress(Struct, kw_only=True):
    """`at`: the last market time that has been published whole. `prices`: the last ones, of a simulation."""

    source: str
    first_sequence: int | None = None
    last_sequence: int = 0
    at: datetime | None = None
    prices: dict[str, Decimal] = {}

    @classmethod
    def of(cls, settings: Settings) -> "Progress":
        """Where the market that the settings ask for goes on. Raises MarketDataCannotBeRead.

        Another source than last time starts anew, but goes on numbering: no sequence is used twice.
        """
        previous = _read(settings.data_dir / FILE)
        source = _name(settings)
        if previous is None:
            return cls(source=source)
        following = previous.last_sequence + 1
        if source == "simulated":
            # The wall's microseconds would do, but for a clock set back or more than a million quotes a second.
            first = max(following, time.time_ns() // 1000)
            return cls(source=source, first_sequence=first, last_sequence=first - 1, prices=previous.prices)
        if previous.source == source:
            return previous
        return cls(source=source, first_sequence=following, last_sequence=previous.last_sequence)


class ProgressFile:
    """Keeps a Progress on disk: at most once a second, and when told to."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._path = folder / FILE
        self._written = time.monotonic()
        self.progress = progress

    def is_due(self) -> bool:
        """Whether a second has passed since the last write."""
        return time.monotonic() - self._written >= AT_MOST_EACH

    def write(self) -> None:
        """Replace the file as a whole, so that a reader never sees half of one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".json.new")
        beside.write_bytes(msgspec.json.encode(self.progress))
        beside.replace(self._path)
        self._written = time.monotonic()


def _read(path: Path) -> Progress | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise MarketDataCannotBeRead(f"{path}: {error}; delete it to let the market start anew") from error


def _name(settings: Settings) -> str:
    if settings.market_source == "simulated":
        return "simulated"
    paths = [str(Path(path).resolve()) for path in settings.market_path]
    return "replay " + (os.pathsep.join(paths) or "daily bars")
