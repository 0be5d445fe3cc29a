"""Child processes that never outlive the process that started them.

A child leads a session of its own, so that Ctrl-C in the terminal reaches only Daybook, which stops its
children in order; and the kernel signals it when its parent dies, however the parent dies.

The kernel ties that signal to the *thread* that forked: call `spawn` from a thread that lives as long as
the children should.
"""

import ctypes
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from application.expected import TellTheOperator

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class EmbeddedServerDidNotStart(TellTheOperator):
    """An embedded server cannot run; the sentence says why, with the end of its log."""


class RunAs(Struct, frozen=True, kw_only=True):
    """The user a child becomes, and whether it may still read and traverse every folder.

    `reads_anywhere` keeps CAP_DAC_READ_SEARCH, and nothing else of root's powers.
    """

    uid: int
    gid: int
    reads_anywhere: bool = False


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    run_as: RunAs | None = None,
    output: int | IO[bytes] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child that gets `death_signal` when the calling thread's process dies.

    `env` replaces the environment (None: inherit); `output` takes both its stdout and stderr.
    Raises OSError or subprocess.SubprocessError when it cannot be started as asked.
    """
    return subprocess.Popen(  # noqa: S603 - the programs are ours or come from pinned wheels
        [str(part) for part in argv],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_preparation(run_as, death_signal),
    )


def stop(child: subprocess.Popen[bytes], *, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, waiting its seconds for the child to end; then kill its whole group."""
    for number, seconds in signals:
        if child.poll() is not None:
            return
        child.send_signal(number)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    kill(child)


def kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started, at once."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def end_with_parent() -> None:
    """Ask the kernel to send this process SIGTERM when its own parent dies."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def tail(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log, or an empty text when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _preparation(run_as: RunAs | None, death_signal: signal.Signals) -> Callable[[], None]:
    """What the child does between fork and exec."""
    parent = os.getpid()

    def prepare() -> None:
        if run_as is not None:
            _become(run_as)
        if sys.platform == "linux":
            # After the change of user: that change clears the parent-death signal.
            _prctl(_PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def _become(run_as: RunAs) -> None:
    if run_as.reads_anywhere:
        # Without this bit the kernel drops capabilities on the change of user, and ignores them in
        # access(2), with which PostgreSQL looks for its own program.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(run_as.gid, run_as.gid, run_as.gid)
    os.setresuid(run_as.uid, run_as.uid, run_as.uid)
    if run_as.reads_anywhere:
        _keep_only(_CAP_DAC_READ_SEARCH)


def _keep_only(capability: int) -> None:
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    kept = 1 << capability
    _checked(_libc.capset(header, struct.pack("6I", kept, kept, kept, 0, 0, 0)))
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *arguments: int) -> None:
    padded = [*arguments, 0, 0, 0, 0][:4]
    _checked(_libc.prctl(option, *(ctypes.c_ulong(argument) for argument in padded)))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
