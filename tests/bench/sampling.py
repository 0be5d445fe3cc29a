"""The api role with a sampler beside it, for where py-spy is not there: `python -m tests.bench.sampling FILE`.

Writes what `py-spy record -f raw` writes: a stack and how often it was seen, a line each. A thread that waits
for the interpreter counts as at work, so beside a busy thread the others look busier than they are.
"""

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from infrastructure.settings import Settings
from interfaces.roles import api
from interfaces.roles.running import configure_logging, stop_on_signals

EVERY_S = 0.004
_WAITING = {"wait", "select", "_wait_for_tstate_lock", "_worker", "run"}
"""Innermost functions of threads that do nothing, or of the event loop between two callbacks."""


def main(file: Path) -> None:
    """Serve until SIGTERM."""
    settings, stop, seen = Settings.from_environment(), threading.Event(), Counter[str]()
    configure_logging(settings, role="api")
    stop_on_signals(stop)
    threading.Thread(target=_sample, args=(seen, file), name="sampler", daemon=True).start()
    api.run(settings, stop)


def _sample(seen: Counter[str], file: Path) -> None:
    own, written = threading.get_ident(), time.monotonic()
    while True:
        time.sleep(EVERY_S)
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident != own and frame.f_code.co_name not in _WAITING:
                seen[f"thread {names.get(ident)};{_stack(frame)}"] += 1
        if time.monotonic() - written > 1:
            written = time.monotonic()
            file.write_text("".join(f"{stack} {count}\n" for stack, count in seen.items()))


def _stack(frame: FrameType | None) -> str:
    parts = []
    while frame is not None:
        code = frame.f_code
        parts.append(f"{code.co_name} ({'/'.join(Path(code.co_filename).parts[-3:])}:{frame.f_lineno})")
        frame = frame.f_back
    return ";".join(reversed(parts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
