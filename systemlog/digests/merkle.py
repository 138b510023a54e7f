"""Merkle trees as RFC 6962 (section 2.1) defines them. Memory grows with the logarithm of the number of leaves."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

LEAF, NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(LEAF + data).digest()


class Tree:
    """A tree to which leaves are added in order. It keeps only the roots of its complete subtrees."""

    __slots__ = ("_peaks", "count")

    def __init__(self) -> None:
        self.count = 0
        self._peaks: list[bytes] = []
        """The roots of the complete subtrees, the largest first. Their sizes are the bits of `count`."""

    def add(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        self.count = count = self.count + 1
        peaks = self._peaks
        while not count & 1:
            leaf = sha256(NODE + peaks.pop() + leaf).digest()
            count >>= 1
        peaks.append(leaf)

    def root(self) -> bytes:
        """Return the root of the leaves so far."""
        if not self._peaks:
            return EMPTY
        *others, root = self._peaks
        for peak in reversed(others):
            root = sha256(NODE + peak + root).digest()
        return root


class Path:
    """The inclusion path of the leaf `index`, counted from 0, in a tree of `size` leaves. Add all leaves in order."""

    def __init__(self, index: int, size: int) -> None:
        self._parts: list[tuple[int, int, Tree]] = []
        """The ranges of leaves whose roots make up the path, from the root of the tree down to the leaf."""
        start, end = 0, size
        while end - start > 1:
            middle = start + _left_size(end - start)
            if index < middle:
                self._parts.append((middle, end, Tree()))
                end = middle
            else:
                self._parts.append((start, middle, Tree()))
                start = middle
        self._number = 0

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        for start, end, tree in self._parts:
            if start <= self._number < end:
                tree.add(leaf)
                break
        self._number += 1

    def hashes(self) -> list[bytes]:
        """Return the hashes of the path, beginning with the sibling of the leaf."""
        return [tree.root() for _, _, tree in reversed(self._parts)]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root of these leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def root_by_path(leaf: bytes, index: int, size: int, path: Iterable[bytes]) -> bytes | None:
    """Return the root that a path leads to (RFC 9162, section 2.1.3.2), or None if the path has the wrong length."""
    last = size - 1
    for sibling in path:
        if not last:
            return None
        if index & 1 or index == last:
            leaf = sha256(NODE + sibling + leaf).digest()
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            leaf = sha256(NODE + leaf + sibling).digest()
        index >>= 1
        last >>= 1
    return leaf if not last else None


def _left_size(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
