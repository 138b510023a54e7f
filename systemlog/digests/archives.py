"""Verifying archives: a digest must name each file, and the file must hold what the digest says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from systemlog.digests.canonical import canonical
from systemlog.digests.merkle import Tree, leaf_hash
from systemlog.digests.reading import archived, hour_text
from systemlog.digests.statements import read_hour
from systemlog.digests.states import States
from systemlog.retention.compression import broken_data_errors, reading
from systemlog.retention.manifest import NotInArchive, read_manifest
from systemlog.retention.private_files import NotPrivate, open_regular

BLOCK_BYTES = 2**18

Tell = Callable[[datetime | None, str], None]


class Held:
    """Number and Merkle root of the records of each hour in a file of an archive."""

    def __init__(self) -> None:
        self._trees: dict[str, Tree] = {}
        self._last: tuple[str, str] = ("", "")
        self.ordered = True
        """Whether the records are in the order of their keys."""

    def watch(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the blocks, each of which must have whole lines, and take them in."""
        for block in blocks:
            self.add(block)
            yield block

    def add(self, block: bytes) -> None:
        """Take in a block of whole lines. Raises `ValueError` for a line that is not from an archive."""
        for texts in archived([block]):
            key = texts[0], texts[1]
            self.ordered = self.ordered and key > self._last
            self._last = key
            hour = hour_text(texts)
            tree = self._trees.get(hour)
            if tree is None:
                tree = self._trees[hour] = Tree()
            tree.add(leaf_hash(canonical(texts)))

    def hours(self) -> list[tuple[str, int, str]]:
        """Return hour, number of records and root for each hour, in order."""
        return [(hour, tree.count, tree.root().hex()) for hour, tree in sorted(self._trees.items())]


def verify_archives(directories: Iterable[Path], states: States, tell: Tell, only: datetime | None) -> None:
    """Read every file of the archives, and call `tell` for each hour that is not as a digest says.

    Files that hold pruned records and are in none of the directories are reported too. With `only`, just this hour is
    reported.
    """

    def tell_one(hour: datetime, what: str) -> None:
        if only is None or hour == only:
            tell(hour, what)

    seen = set()
    by_name = {file.name: file for file in states.archives.values()}
    for directory in directories:
        try:
            entries = read_manifest(directory)
        except NotInArchive as error:
            tell(None, str(error))
            continue
        if not entries:
            tell(None, f"{directory} has no archive's manifest")
        for entry in entries:
            path = directory / entry.file
            held, content, wrong = _read(path)
            stated = states.archives.get(content)
            if stated is not None:
                seen.add(content)
                for hour in sorted(stated.broken):
                    tell_one(hour, f"was not as it was sealed when {path} was written")
                continue
            named = states.archives.get(entry.content_sha256) or by_name.get(entry.file)
            if named is not None:
                seen.add(named.content_sha256)
            _tell_differences(path, held, named.hours if named else {}, wrong, tell_one)
            if held is None and named is None:
                tell(None, f"{path} {wrong}, and no digest names it")
    for hour, files in sorted(states.holding.items()):
        for content in sorted(files - seen):
            name = states.archives[content].name if content in states.archives else content
            tell_one(hour, f"the archive's file {name}, which has records of this hour, is not there")


def _tell_differences(
    path: Path,
    held: Held | None,
    stated: dict[datetime, tuple[int, bytes]],
    wrong: str,
    tell: Callable[[datetime, str], None],
) -> None:
    found = {read_hour(text): (count, bytes.fromhex(root)) for text, count, root in held.hours()} if held else {}
    differing = [hour for hour in sorted({*found, *stated}) if found.get(hour) != stated.get(hour)]
    # If the records are the same, but in another order or form, every hour is reported.
    for hour in differing or sorted({*found, *stated}):
        tell(hour, f"{path} {wrong or 'does not hold what its digest says of this hour'}")


def _read(path: Path) -> tuple[Held | None, str, str]:
    """Return the hours that a file holds, the SHA-256 of its content, and what is wrong with the file."""
    held, content = Held(), sha256()
    try:
        for block in open_archive_lines(path):
            content.update(block)
            held.add(block)
    except FileNotFoundError:
        return None, "", "is not there"
    except (NotPrivate, ValueError, OSError):
        return None, "", "is no file of an archive"
    except broken_data_errors():
        return None, "", "is damaged"
    return held, content.hexdigest(), ""


def open_archive_lines(path: Path) -> Iterator[bytes]:
    """Yield the content of an archive's file in blocks of whole lines."""
    with open_regular(path) as raw:
        unpacked = reading(raw)
        rest = b""
        while block := unpacked.read(BLOCK_BYTES):
            whole, end, rest = (rest + block).rpartition(b"\n")
            yield whole + end
        if rest:
            yield rest
