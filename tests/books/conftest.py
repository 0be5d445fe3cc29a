"""The outside tools: used when they are there, else put into a folder of the user's cache; only if that cannot be, skipped."""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.books.story import Bookshop
from tests.books.tools import Tools


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "daybook" / "test-tools"


def _run(*command: str | Path, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=300)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Another process that tests may be fetching the same."""
    _folder().mkdir(parents=True, exist_ok=True)
    with (_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bean_check() -> Path:
    """From PyPI, into an environment of its own."""
    found = shutil.which("bean-check")
    if found is not None:
        return Path(found)
    folder = _folder() / f"beancount-{sys.version_info[0]}.{sys.version_info[1]}"
    program = folder / "bin" / "bean-check"
    if not program.exists():
        venv.create(folder, with_pip=True, clear=True)
        _run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "beancount>=3.2,<4", cwd=folder)
    return program


def _hledger() -> Path:
    """From Debian: the package is unpacked, not installed."""
    found = shutil.which("hledger")
    if found is not None:
        return Path(found)
    folder = _folder() / "hledger"
    program = folder / "usr" / "bin" / "hledger"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run("apt-get", "download", "hledger", cwd=folder)
        (package,) = folder.glob("hledger_*.deb")
        _run("dpkg-deb", "-x", package.name, ".", cwd=folder)
    _run(program, "--version", cwd=folder)
    return program


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Both tools, ready to check a file."""
    found = {}
    for name, find in (("beancount", _bean_check), ("hledger", _hledger)):
        try:
            with _one_at_a_time():
                found[name] = find()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            pytest.skip(f"{name} is not here and cannot be installed: {error}")
    return Tools(bean_check=found["beancount"], hledger=found["hledger"])


@pytest.fixture
def shop(database: Any) -> Iterator[Bookshop]:
    """A ledger with charges, on this test's database."""
    one = Bookshop(database.app_url)
    yield one
    one.close()
