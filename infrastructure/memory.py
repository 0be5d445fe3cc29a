"""The garbage collector, told what stays."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG, MIDDLE, OLD = 20_000, 20, 100


def keep_what_is_here() -> None:
    """Leave everything that is in memory now out of garbage collection, and collect less often.

    Code, caches and books stay for the life of the process. With Python's own thresholds a role that holds
    tens of thousands of orders stood still for tens of milliseconds at a time, looking at all of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


_lock = threading.Lock()
_windows = 0


@contextmanager
def collecting_later() -> Iterator[None]:
    """Put garbage collection off while many objects live for a moment, none of them in a cycle.

    A batch of ten thousand events is half a million objects, which the collector would go through again and
    again: a quarter of the time of a fold.
    """
    global _windows
    with _lock:
        _windows += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _windows -= 1
            if not _windows:
                gc.enable()
