"""One Daybook per data folder: its lock, and where its servers are found while it runs."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from application.expected import TellTheOperator

_LOCK = "lock"
_SERVERS = "servers.json"
_LOCK_SECONDS = 0.5  # `find_servers` holds the lock for an instant


class DataFolderIsInUse(TellTheOperator):
    """Another Daybook holds the data folder."""


class DataFolderCannotBeUsed(TellTheOperator):
    """This user may not use the data folder."""


class NoDaybookRuns(TellTheOperator):
    """No `daybook up` runs on the data folder, so there are no embedded servers to use."""


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; the kernel lets go of it however this process ends.

    Raises DataFolderIsInUse or DataFolderCannotBeUsed.
    """
    with _open_lock(data_dir) as lock:
        give_up = time.monotonic() + _LOCK_SECONDS
        while not _take(lock.fileno()):
            if time.monotonic() > give_up:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise DataFolderIsInUse(
                    f"another Daybook runs on this data folder (pid {holder}): {data_dir}"
                )
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _open_lock(data_dir: Path) -> TextIO:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        return (data_dir / _LOCK).open("a+")
    except OSError as error:
        raise DataFolderCannotBeUsed(
            f"the data folder {data_dir} cannot be used: {error.strerror}"
        ) from error


def publish(data_dir: Path, servers: Mapping[str, str]) -> None:
    """Tell other processes of this user the settings (`database_url`, …) of the servers that run here."""
    write_json(data_dir / _SERVERS, servers)


def withdraw(data_dir: Path) -> None:
    """Say that the servers are gone."""
    (data_dir / _SERVERS).unlink(missing_ok=True)


def find_servers(data_dir: Path) -> dict[str, str]:
    """The settings published by the `daybook up` that runs on this folder.

    Raises NoDaybookRuns or DataFolderCannotBeUsed.
    """
    try:
        with (data_dir / _LOCK).open() as lock:
            if not _take(lock.fileno()):
                servers: dict[str, str] = json.loads((data_dir / _SERVERS).read_bytes())
                return servers
    except FileNotFoundError:
        pass
    except PermissionError as error:
        raise DataFolderCannotBeUsed(f"the data folder {data_dir} is another user's: {error}") from error
    raise NoDaybookRuns(
        f"no `daybook up` runs on the data folder {data_dir}, and DAYBOOK_DATABASE_URL or DAYBOOK_REDIS_URL "
        "is not set: start `daybook up`, or set both"
    )


def write_json(file: Path, value: Any) -> None:
    """Replace a file at once, readable by its owner only: a reader sees the old text or the new one."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "x", opener=_private) as text:
        json.dump(value, text, indent=1)
    unfinished.replace(file)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
