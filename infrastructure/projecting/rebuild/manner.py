"""How a rebuild works: in what portions, and how much of the machine it leaves to others."""

from msgspec import Struct

CHUNK = 20_000
SHORT = 20_000


class Manner(Struct, frozen=True, kw_only=True):
    """`chunk` events are folded, written and noted in one transaction, and are what a crash loses at most.

    Fewer than `short` events are folded in one process, whatever was asked for.
    """

    chunk: int = CHUNK
    short: int = SHORT


USUAL = Manner()
