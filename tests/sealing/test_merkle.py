"""The hash tree against the definitions of RFC 6962 and the test vectors that certificate transparency shares."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infrastructure.sealing.merkle import (
    BLOCK,
    EMPTY_ROOT,
    WIDTH,
    Frontier,
    KeptHashes,
    consistency_path,
    inclusion_path,
    leaf_hash,
    leaf_hashes,
    proves_consistency,
    proves_inclusion,
    root_of,
)
from tests.sealing import naive

# The leaves and roots that the implementations of certificate transparency test themselves with.
VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

SIZES = range(1, 131)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def kept(leaves: list[bytes]) -> KeptHashes:
    """What the database would keep of these leaves."""
    joined = b"".join(leaves)
    frontier = Frontier()
    blocks = frontier.extend(joined)
    return KeptHashes(
        blocks=lambda first, last: blocks[first * WIDTH : last * WIDTH],
        leaves=lambda first, last: joined[first * WIDTH : last * WIDTH],
    )


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_of(b"") == EMPTY_ROOT == naive.root([])


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_shared_test_vectors(size: int) -> None:
    assert root_of(leaf_hashes(VECTOR_LEAVES[:size])).hex() == VECTOR_ROOTS[size - 1]


def test_an_inclusion_path_is_that_of_the_rfcs_own_example() -> None:
    """Section 2.1.5 of RFC 9162: d0, d3, d4 and d6 in the tree of seven leaves."""
    leaves = leaves_of(7)
    a, b, c, d, e, f, j = leaves
    g, h, i = (root_of(one + other) for one, other in ((a, b), (c, d), (e, f)))
    k, last = root_of(a + b + c + d), root_of(e + f + j)
    hash_of = kept(leaves).hash_of

    assert inclusion_path(0, 7, hash_of) == [b, h, last]
    assert inclusion_path(3, 7, hash_of) == [c, g, last]
    assert inclusion_path(4, 7, hash_of) == [f, j, k]
    assert inclusion_path(6, 7, hash_of) == [i, k]


def test_a_consistency_path_is_that_of_the_rfcs_own_example() -> None:
    leaves = leaves_of(7)
    a, b, c, d, e, f, j = leaves
    g, i = root_of(a + b), root_of(e + f)
    k, last = root_of(a + b + c + d), root_of(e + f + j)
    hash_of = kept(leaves).hash_of

    assert consistency_path(3, 7, hash_of) == [c, d, g, last]
    assert consistency_path(4, 7, hash_of) == [last]
    assert consistency_path(6, 7, hash_of) == [i, j, k]


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_of_every_small_tree_is_proved_and_no_other(size: int) -> None:
    leaves = leaves_of(size)
    hash_of, root = kept(leaves).hash_of, naive.root(leaves)

    assert root_of(b"".join(leaves)) == root
    for index, leaf in enumerate(leaves):
        path = inclusion_path(index, size, hash_of)
        assert path == naive.path(index, leaves)
        assert proves_inclusion(leaf, index, size, path, root)
        assert not proves_inclusion(leaf, index + 1, size, path, root) or size == 1
        assert not proves_inclusion(leaf_hash(b"another"), index, size, path, root)
        assert not proves_inclusion(leaf, index, size, [*path, leaf], root)
        assert not path or not proves_inclusion(leaf, index, size, path[:-1], root)


@pytest.mark.parametrize("size", SIZES)
def test_every_small_tree_is_proved_to_continue_every_smaller_one(size: int) -> None:
    leaves = leaves_of(size)
    hash_of, root = kept(leaves).hash_of, naive.root(leaves)

    for old in range(size + 1):
        path, old_root = consistency_path(old, size, hash_of), naive.root(leaves[:old])
        assert path == (naive.proof(old, leaves) if old else [])
        assert proves_consistency(old, size, path, old_root=old_root, new_root=root)
        if 0 < old < size:
            assert not proves_consistency(old, size, path, old_root=root, new_root=root)
            assert not proves_consistency(old, size, path, old_root=old_root, new_root=old_root)
            assert not proves_consistency(old, size, [*path, root], old_root=old_root, new_root=root)
            assert not proves_consistency(old, size, path[:-1], old_root=old_root, new_root=root)
            changed = [leaf_hash(b"x"), *leaves[1:old]]
            assert not proves_consistency(old, size, path, old_root=naive.root(changed), new_root=root)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5 * BLOCK), st.randoms(use_true_random=False))
def test_larger_trees_are_proved_from_kept_blocks(size: int, chance: random.Random) -> None:
    leaves = leaves_of(size)
    hash_of, root = kept(leaves).hash_of, root_of(b"".join(leaves))
    index, old = chance.randrange(size), chance.randint(1, size)

    assert naive.root(leaves) == root
    path = inclusion_path(index, size, hash_of)
    assert path == naive.path(index, leaves)
    assert proves_inclusion(leaves[index], index, size, path, root)
    path = consistency_path(old, size, hash_of)
    assert path == naive.proof(old, leaves)
    assert proves_consistency(old, size, path, old_root=root_of(b"".join(leaves[:old])), new_root=root)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=8))
def test_a_tree_may_grow_by_any_steps(steps: list[int]) -> None:
    leaves = leaves_of(sum(steps))
    frontier, blocks, at = Frontier(), b"", 0

    for step in steps:
        blocks += frontier.extend(b"".join(leaves[at : at + step]))
        at += step
        assert frontier.root() == root_of(b"".join(leaves[:at]))

    again = Frontier()
    again.extend_by_blocks(blocks)
    again.extend(b"".join(leaves[len(blocks) // WIDTH * BLOCK :]))
    assert (again.size, again.root()) == (len(leaves), frontier.root())
