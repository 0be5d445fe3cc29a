"""A bounded memory of what was looked up, each thing believed for some seconds."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Known(Generic[K, V]):
    """At most `limit` values, each for `seconds`. `removals` counts removals, so that a look-up that was
    under way meanwhile can tell that its answer may be out of date.
    """

    def __init__(self, *, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        # A plain dict walks over all that was ever removed from its front to find what is first now.
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self.removals = 0

    def get(self, key: K) -> V | None:
        """The value, or None when it is not known or was looked up too long ago."""
        found = self._values.get(key)
        if found is None or found[0] < time.monotonic():
            return None
        return found[1]

    def put(self, key: K, value: V) -> None:
        """Remember a value; the one that was put first makes room."""
        self._values.pop(key, None)
        if len(self._values) >= self._limit:
            self._values.popitem(last=False)
        self._values[key] = (time.monotonic() + self._seconds, value)

    def remove(self, key: K) -> None:
        """Forget a value."""
        self.removals += 1
        self._values.pop(key, None)

    def remove_all(self, is_meant: Callable[[K, V], bool]) -> None:
        """Forget every value of which this is so."""
        self.removals += 1
        for key in [key for key, (_, value) in self._values.items() if is_meant(key, value)]:
            del self._values[key]
