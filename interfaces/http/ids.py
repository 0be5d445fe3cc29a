"""Ids made without asking the system for randomness each time.

`uuid4` makes a system call, for which the thread gives up the interpreter and must win it back: beside a
busy committer that costs more than the rest of the id. One seed from the system serves the whole process.
"""

import os
import random
import time
from uuid import UUID

_bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311  unique, not secret: an id opens nothing

_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


def fresh_id() -> UUID:
    """An id never used before (UUID version 7): ids made later sort later, which keeps indexes compact."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = _bits(74)
    high, low = random_bits >> 62, random_bits & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | _VERSION_AND_VARIANT | (high << 64) | low)
