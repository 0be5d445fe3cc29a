"""The proof that a partition consumed exactly the log: how many events, and a rolling hash of them, in order.

Each event has a digest of its position and everything stored with it. A chain is a polynomial in those
digests modulo a prime: it depends on every event and on their order, not on where batches ended, and two
chains that follow each other can be joined. It finds mistakes, not forgers: who can write the proof can forge it.
"""

from collections.abc import Iterable
from hashlib import blake2b
from struct import Struct as Packer
from uuid import UUID

from msgspec import Struct

from infrastructure.eventstore.log import Recorded

_PRIME = 2**127 - 1
_BASE = 0x5A17_C0DE_4B1D_0B53_9E37_79B9_7F4A_7C15 % _PRIME
_head = Packer("!q16sH").pack
_WIDTH = 16


class Chain(Struct, frozen=True):
    """So many events, in this order. `value` is 0 for none."""

    events: int = 0
    value: int = 0

    @classmethod
    def stored(cls, events: int, value: bytes) -> "Chain":
        """As the database keeps it."""
        return cls(events, int.from_bytes(value, "big"))

    @property
    def bytes(self) -> bytes:
        """The value as the database keeps it."""
        return self.value.to_bytes(_WIDTH, "big") if self.events else b""

    def extended(self, digests: Iterable[int]) -> "Chain":
        """With more events after it."""
        events, value = self.events, self.value
        for digest in digests:
            value = (value * _BASE + digest) % _PRIME
            events += 1
        return Chain(events, value)

    def joined(self, after: "Chain") -> "Chain":
        """With another chain after it."""
        shifted = self.value * pow(_BASE, after.events, _PRIME)
        return Chain(self.events + after.events, (shifted + after.value) % _PRIME)


def digest_of(row: Recorded) -> int:
    """What an event adds to a chain."""
    topic = row.topic.encode()
    head = _head(row.log_position, row.account_id.int.to_bytes(16, "big"), len(topic))
    return int.from_bytes(
        blake2b(head + topic + row.state + row.metadata, digest_size=_WIDTH).digest(), "big"
    )


PARTITION_OF = "get_byte(uuid_send(account_id), 15) %% %(partitions)s"
"""The partition of a row, for SQL. The last byte of an id is random in every version that we use."""


def partition_of(account_id: UUID, partitions: int) -> int:
    """The partition that an account belongs to."""
    return account_id.bytes[15] % partitions
