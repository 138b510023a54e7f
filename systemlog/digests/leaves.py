"""Lists of leaves: which records the newest digests of this host cover, in the directory outside the database.

After a failover has forgotten a digest, the records of its hour may come back together with late ones. A list then
tells which of them the digest covers. A list is only a hint: the root that results must be that of the signed digest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from systemlog.digests.merkle import Tree
from systemlog.digests.statements import write_hour

LISTED_BYTES = 8
"""Bytes of each leaf's hash that a list has."""

MOST_LISTS = 48
MOST_BYTES = 2**28
"""How many lists are kept, and how large they may be together. The oldest lists are deleted first."""

BLOCK_BYTES = 2**16
PART = "part"


class Leaves:
    """The lists in one directory. A list that cannot be written or read is left out."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def tree(self) -> ListedTree:
        """Return a tree whose leaves can be kept. One such tree at a time may grow."""
        return ListedTree(self._directory / PART)

    def keep(self, tree: Tree, hour: datetime) -> None:
        """Keep the leaves of a tree from `tree()`, in place of the oldest lists. The hour must be complete."""
        if not isinstance(tree, ListedTree) or not tree.count:
            return
        with suppress(OSError):
            if tree.finish():
                (self._directory / PART).rename(self._path(hour, tree.root()))
                self._delete_oldest()

    def of(self, hour: datetime, root: bytes) -> Iterator[bytes] | None:
        """Yield the first `LISTED_BYTES` of each leaf of the hour with this root, or return None without a list."""
        try:
            listed = self._path(hour, root).open("rb")
        except OSError:
            return None
        return _read(listed)

    def _path(self, hour: datetime, root: bytes) -> Path:
        return self._directory / f"{write_hour(hour)}.{root.hex()[:16]}"

    def _delete_oldest(self) -> None:
        found = sorted(
            ((entry.stat().st_mtime_ns, entry.stat().st_size, entry.path) for entry in os.scandir(self._directory)),
            reverse=True,
        )
        total = 0
        for place, (_, size, path) in enumerate(found):
            total += size
            if place >= MOST_LISTS or (place and total > MOST_BYTES):
                Path(path).unlink(missing_ok=True)


class ListedTree(Tree):
    """A tree that also writes the beginning of each of its leaves to a file."""

    __slots__ = ("_flags", "_listed", "_path", "_usable")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._flags = os.O_TRUNC
        self._listed = bytearray()
        self._usable = True

    def add(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        super().add(leaf)
        self._listed += leaf[:LISTED_BYTES]
        if len(self._listed) >= BLOCK_BYTES:
            self._write()

    def finish(self) -> bool:
        """Write the rest to the file. Returns whether the file has every leaf."""
        self._write()
        return self._usable

    def _write(self) -> None:
        if self._usable:
            try:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | self._flags
                with open(os.open(self._path, flags, 0o600), "wb") as file:
                    file.write(self._listed)
            except OSError:
                self._usable = False
            self._flags = 0
        self._listed.clear()


def _read(listed: BinaryIO) -> Iterator[bytes]:
    with listed:
        while block := listed.read(BLOCK_BYTES):
            for start in range(0, len(block), LISTED_BYTES):
                yield block[start : start + LISTED_BYTES]
