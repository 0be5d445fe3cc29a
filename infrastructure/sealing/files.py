"""The published file: one line a seal, only ever appended to, outside the database.

A seal counts as published once its line is on the disk. A line without its end was cut off by a crash and was never published.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from application.expected import TellTheOperator

LINE_WITHIN_S = 1.0

_STEP = 1 << 20


class SealFileCannotBeUsed(TellTheOperator):
    """The file of seals cannot be read or written."""


class SealFileIsInUse(Exception):
    """Another sealer publishes into the file."""


class SealFileIsGone(Exception):
    """The file was deleted or moved away under a running sealer, and was whole until then."""


class SealFileWasChanged(Exception):
    """The file is not as long as it was left, or another one stands in its place."""


class SealFile:
    """The file, open to append to by one process at a time."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path
        self._left_at = self._size()

    def require_in_place(self) -> None:
        """Raises SealFileIsGone or SealFileWasChanged unless the path still leads to this file, as it was left."""
        opened, there = os.fstat(self._descriptor), _stat(self._path)
        if opened.st_size != self._left_at:
            raise SealFileWasChanged(
                f"the file {self._path} has {opened.st_size} bytes and was left with {self._left_at}"
            )
        if there is None:
            raise SealFileIsGone(f"the file {self._path} is gone")
        if not os.path.samestat(opened, there):
            raise SealFileWasChanged(f"another file stands in the place of {self._path}")

    def last_line(self) -> bytes:
        """The last whole line with its end; b"" when there is none."""
        end = self._size() - len(self.fragment())
        return self._tail(end)

    def fragment(self) -> bytes:
        """What follows the last whole line; b"" unless a crash cut a line off."""
        end = self._size()
        tail = self._tail(end)
        return b"" if tail.endswith(b"\n") else tail

    def append(self, line: bytes) -> None:
        """Write at the end, and wait until it is on the disk. Raises as `require_in_place`, or OSError."""
        self.require_in_place()
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)
        self._left_at = self._size()

    def drop_fragment(self) -> None:
        """Cut off what was never published."""
        os.ftruncate(self._descriptor, self._size() - len(self.fragment()))
        os.fsync(self._descriptor)
        self._left_at = self._size()

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _tail(self, end: int) -> bytes:
        """What follows the last end of a line that stands before the byte before `end`."""
        found, begin = b"", end
        while begin > 0:
            length = min(_STEP, begin)
            begin -= length
            found = os.pread(self._descriptor, length, begin) + found
            at = found.rfind(b"\n", 0, len(found) - 1)
            if at >= 0:
                return found[at + 1 :]
        return found


@contextmanager
def publishing(path: Path) -> Iterator[SealFile]:
    """The file to publish into, made when it is missing. Raises SealFileIsInUse or OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SealFileIsInUse(f"another sealer publishes into {path}") from error
        _sync_folder(path.parent)
        yield SealFile(descriptor, path)
    finally:
        os.close(descriptor)


def published_lines(path: Path) -> Iterator[bytes]:
    """The lines of a published file, each with its end. Raises SealFileCannotBeUsed.

    A last line without its end may be under way right now, so it is given a moment.
    """
    try:
        with path.open("rb") as lines:
            for line in lines:
                yield line if line.endswith(b"\n") else _awaited(line, lines)
    except OSError as error:
        raise SealFileCannotBeUsed(f"the seals {path} cannot be read: {error.strerror}") from error


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _awaited(line: bytes, lines: BinaryIO) -> bytes:
    deadline = time.monotonic() + LINE_WITHIN_S
    while not line.endswith(b"\n") and time.monotonic() < deadline:
        time.sleep(0.02)
        line += lines.readline()
    return line


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
