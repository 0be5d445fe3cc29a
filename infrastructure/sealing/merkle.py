"""The hash tree of RFC 6962, section 2.1 (the same in RFC 9162): roots, inclusion and consistency proofs.

A leaf is SHA-256(0x00 ‖ bytes), a node SHA-256(0x01 ‖ left ‖ right), and a tree of n leaves is split at the largest power
of two below n. Hashes are 32 bytes; many of them in a row are one `bytes`.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

WIDTH = 32
EMPTY_ROOT = sha256(b"").digest()

BLOCK_LEVEL = 10
BLOCK = 1 << BLOCK_LEVEL
"""So many leaves are a block, whose hash is kept: no proof hashes more leaves than these again."""

RangeHash = Callable[[int, int], bytes]
"""The hash of the leaves from a number up to another, exclusive."""


def leaf_hash(canonical: bytes) -> bytes:
    """The leaf of one event's canonical bytes."""
    return sha256(b"\x00" + canonical).digest()


def leaf_hashes(rows: Sequence[bytes]) -> bytes:
    """The leaves of many events, one after another."""
    return b"".join([sha256(b"\x00" + row).digest() for row in rows])


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node above two."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: of each level the one hash that waits for its sibling.

    With it a tree grows by any number of leaves without any earlier one being looked at.
    """

    def __init__(self) -> None:
        self.size = 0
        self._waiting: list[bytes] = []  # by level, b"" where none waits

    def extend(self, leaves: bytes) -> bytes:
        """Take in more leaves. Returns the hashes of the blocks that were completed."""
        self.size += len(leaves) // WIDTH
        return self._extend(leaves, 0)

    def extend_by_blocks(self, blocks: bytes) -> None:
        """Take in whole blocks by their hashes; the tree must have whole blocks only."""
        self.size += len(blocks) // WIDTH * BLOCK
        self._extend(blocks, BLOCK_LEVEL)

    def root(self) -> bytes:
        """The root of what was taken in."""
        found = b""
        for waiting in self._waiting:
            if waiting:
                found = node_hash(waiting, found) if found else waiting
        return found or EMPTY_ROOT

    def copy(self) -> "Frontier":
        """The same edge, to grow on its own."""
        other = Frontier()
        other.size, other._waiting = self.size, list(self._waiting)
        return other

    def _extend(self, hashes: bytes, level: int) -> bytes:
        blocks = b""
        while hashes:
            if level == BLOCK_LEVEL:
                blocks = hashes
            self._waiting += [b""] * (level + 1 - len(self._waiting))
            hashes = self._waiting[level] + hashes
            paired = len(hashes) // (2 * WIDTH) * (2 * WIDTH)
            self._waiting[level] = hashes[paired:]
            hashes = _parents(hashes, paired)
            level += 1
        return blocks


def _parents(hashes: bytes, end: int) -> bytes:
    step = 2 * WIDTH
    return b"".join([sha256(b"\x01" + hashes[at : at + step]).digest() for at in range(0, end, step)])


def root_of(leaves: bytes) -> bytes:
    """The root of these leaves alone."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def split_of(size: int) -> int:
    """The largest power of two below a size of two or more."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_path(index: int, size: int, hash_of: RangeHash) -> list[bytes]:
    """The hashes beside the way from leaf `index` up to the root of the first `size` leaves, lowest first."""
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + split_of(end - begin)
        if index < middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(begin, middle))
            begin = middle
    return path[::-1]


def consistency_path(old: int, new: int, hash_of: RangeHash) -> list[bytes]:
    """The hashes that show that the first `old` of `new` leaves are the older tree. Needs 0 <= old <= new."""
    if old == 0:
        return []
    path: list[bytes] = []
    begin, end, is_known = 0, new, True
    while old != end:
        middle = begin + split_of(end - begin)
        if old <= middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(begin, middle))
            begin, is_known = middle, False
    if not is_known:
        path.append(hash_of(begin, end))
    return path[::-1]


def proves_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    turns = _turns(index, size - 1, len(path)) if 0 <= index < size else None
    if turns is None:
        return False
    found = leaf
    for step, is_left in zip(path, turns, strict=True):
        found = node_hash(step, found) if is_left else node_hash(found, step)
    return found == root


def proves_consistency(
    old: int, new: int, path: Sequence[bytes], *, old_root: bytes, new_root: bytes
) -> bool:
    """Whether the path shows that the newer tree begins with the older one (RFC 9162, section 2.1.4.2)."""
    if old in (0, new):
        return not path and old_root == (new_root if old == new else EMPTY_ROOT)
    if not 0 < old < new:
        return False
    common = (old & -old).bit_length() - 1  # levels of the last whole subtree of the older tree
    steps = [old_root, *path] if old == 1 << common else list(path)
    turns = _turns((old - 1) >> common, (new - 1) >> common, len(steps) - 1) if path else None
    if turns is None:
        return False
    first = second = steps[0]
    for step, is_left in zip(steps[1:], turns, strict=True):
        first = node_hash(step, first) if is_left else first
        second = node_hash(step, second) if is_left else node_hash(second, step)
    return first == old_root and second == new_root


def _turns(place: int, last: int, steps: int) -> list[bool] | None:
    """On which side each of so many steps stands, on the way up from a place in a row that ends with `last`; None when
    they do not lead exactly to the top.
    """
    turns = []
    for _ in range(steps):
        if last == 0:
            return None
        is_left = bool(place & 1) or place == last
        while is_left and place and not place & 1:
            place, last = place >> 1, last >> 1
        turns.append(is_left)
        place, last = place >> 1, last >> 1
    return turns if last == 0 else None


class KeptHashes:
    """Hashes of ranges out of kept ones: `blocks(first, last)` gives whole blocks' by number, `leaves(first, last)`
    those of leaves, last exclusive. Ranges are those that proofs ask for: they begin at a multiple of the next power of two.
    """

    def __init__(self, *, blocks: Callable[[int, int], bytes], leaves: Callable[[int, int], bytes]) -> None:
        self._blocks = blocks
        self._leaves = leaves

    def hash_of(self, begin: int, end: int) -> bytes:
        """The hash of a range."""
        frontier, whole = Frontier(), 0
        if end - begin >= BLOCK:
            whole = (end - begin) // BLOCK
            frontier.extend_by_blocks(self._blocks(begin // BLOCK, begin // BLOCK + whole))
        rest = begin + whole * BLOCK
        if rest < end:
            frontier.extend(self._leaves(rest, end))
        return frontier.root()
