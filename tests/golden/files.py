"""The golden files: one stored event for each version of each kind, byte for byte as it went into the log."""

import hashlib
from pathlib import Path

from domain.aggregate import Event
from domain.facts import TOPICS
from infrastructure.eventstore.mapper import encode_event
from tests.golden.samples import STORY

FOLDER = Path(__file__).parent / "events"
SUMS = Path(__file__).parent / "sums.txt"
"""The hash of each file, so that a changed one is seen for what it is."""


def file_of(topic: str) -> Path:
    """The file of a stored name: `Order.Placed:2` is in `Order.Placed.v2.json`."""
    name, _, version = topic.partition(":")
    return FOLDER / f"{name}.v{version or 1}.json"


def topic_in(file: Path) -> str:
    """The stored name a file is about."""
    name, _, version = file.name.removesuffix(".json").rpartition(".v")
    return name if version == "1" else f"{name}:{version}"


def files() -> list[Path]:
    """Every golden file."""
    return sorted(FOLDER.glob("*.json"))


def samples() -> dict[str, Event]:
    """The first event of each kind in the story, by its present topic."""
    found: dict[str, Event] = {}
    for event in STORY:
        found.setdefault(TOPICS[type(event)], event)
    return found


def sums() -> dict[str, str]:
    """The hashes written down, by name of the file."""
    lines = SUMS.read_text("ascii").splitlines() if SUMS.exists() else []
    return {name: digest for digest, name in (line.split() for line in lines)}


def digest_of(file: Path) -> str:
    """The hash of a file as it is."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def add_missing() -> list[Path]:
    """Write the golden files that are not there. Those that are there are left as they are."""
    FOLDER.mkdir(exist_ok=True)
    added = []
    for topic, event in samples().items():
        file = file_of(topic)
        if not file.exists():
            with file.open("xb") as new:
                new.write(encode_event(event))
            with SUMS.open("a", encoding="ascii") as lines:
                lines.write(f"{digest_of(file)}  {file.name}\n")
            added.append(file)
    return added
