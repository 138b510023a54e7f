"""An archive: a directory of NDJSON files, compressed, with a manifest that says what is in each of them.

A file is written beside its place, read again and compared, and only then known to the manifest; so what the manifest
names is whole. The same records give the same file, and are not archived twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from systemlog.retention.compression import SUFFIXES, broken_data_errors, reading, writing
from systemlog.retention.private_files import NotPrivate, create, make_directory, open_lock

MANIFEST = "manifest.json"
LOCK = ".lock"
PART = ".part"
FORMAT = "system_logs archive 1"
BLOCK_BYTES = 2**20


class ArchiveFailed(Exception):
    """What was to be archived cannot be read again from where it was written; nothing was deleted of it."""


class NotInArchive(Exception):
    """The file is not what the manifest beside it says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive. `sha256` is that of the file as it lies there, `content_sha256` of what is in it.

    `since` and `until` are the instants of its oldest and its newest record, as RFC 3339.
    """

    file: str
    leaf: str
    rows: int
    since: str
    until: str
    bytes: int
    sha256: str
    content_sha256: str
    compression: str
    written_at: str


@dataclass(slots=True)
class _Content:
    """What went through: its digest, its lines, and the first and the last of them."""

    digest: Any
    rows: int = 0
    first: bytes = b""
    last: bytes = b""

    def add(self, block: bytes) -> None:
        self.digest.update(block)
        self.rows += block.count(b"\n")
        self.first = self.first or block[: block.index(b"\n")]
        self.last = block


class Archive:
    """A directory to archive to, held by one process at a time."""

    def __init__(self, directory: Path, compression: str) -> None:
        self.directory = directory
        self.compression = compression
        self.entries = read_manifest(directory)

    def write(self, leaf: str, blocks: Iterable[bytes]) -> Entry | None:
        """Archive lines of a leaf, in blocks that end with a line, and verify that they can be read again.

        Gives None if there is no line. Raises `ArchiveFailed`, `OSError`.
        """
        part = self.directory / (leaf + PART)
        content = _Content(hashlib.sha256())
        try:
            with create(part) as file:
                with writing(file, self.compression) as packed:
                    for block in _gathered(blocks):
                        content.add(block)
                        packed.write(block)
                file.flush()
                os.fsync(file.fileno())
            return self._keep(leaf, part, content) if content.rows else None
        finally:
            part.unlink(missing_ok=True)

    def _keep(self, leaf: str, part: Path, content: _Content) -> Entry:
        digest = content.digest.hexdigest()
        for entry in self.entries:
            if entry.content_sha256 == digest and _is_whole(self.directory / entry.file, entry.rows, digest):
                return entry
        if not _is_whole(part, content.rows, digest):
            raise ArchiveFailed(f"{part} could not be read again as it was written. Nothing of {leaf} was deleted.")
        final = self._free_name(leaf)
        part.rename(final)
        entry = Entry(
            file=final.name,
            leaf=leaf,
            rows=content.rows,
            since=json.loads(content.first)["timestamp"],
            until=json.loads(content.last.splitlines()[-1])["timestamp"],
            bytes=final.stat().st_size,
            sha256=sha256_of(final),
            content_sha256=digest,
            compression=self.compression,
            written_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        self.entries.append(entry)
        self._write_manifest()
        return entry

    def _free_name(self, leaf: str) -> Path:
        """Later records of the same leaf have a file of their own."""
        known = {entry.file for entry in self.entries}
        number, name = 1, f"{leaf}.ndjson{SUFFIXES[self.compression]}"
        while name in known:
            number += 1
            name = f"{leaf}.{number}.ndjson{SUFFIXES[self.compression]}"
        return self.directory / name

    def _write_manifest(self) -> None:
        manifest = self.directory / MANIFEST
        part = manifest.with_suffix(PART)
        text = json.dumps({"format": FORMAT, "files": [asdict(entry) for entry in self.entries]}, indent=1)
        with create(part) as file:
            file.write(f"{text}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        part.rename(manifest)
        # A rename is safe from power loss only when its directory is.
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def opened(directory: Path, compression: str, waiting: Callable[[], None]) -> Iterator[Archive]:
    """The archive in this directory, which is made if it is missing; `waiting` is called if another process has it."""
    try:
        make_directory(directory)
        lock_file = open_lock(directory / LOCK)
    except NotPrivate as error:
        raise ArchiveFailed(str(error)) from None
    with lock_file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Archive(directory, compression)


def read_manifest(directory: Path) -> list[Entry]:
    """What the manifest of a directory names; nothing where there is none. Raises `NotInArchive` for another kind."""
    manifest = directory / MANIFEST
    if not manifest.exists():
        return []
    try:
        given = json.loads(manifest.read_text(encoding="utf-8"))
        if given["format"] == FORMAT:
            return [Entry(**entry) for entry in given["files"]]
    except (ValueError, TypeError, KeyError):
        pass
    raise NotInArchive(f"{manifest} is no manifest that this version knows.")


def find_entry(file: Path) -> Entry | None:
    """What the manifest beside a file says of it, if anything. Raises `NotInArchive` if the file is another one."""
    try:
        entries = read_manifest(file.parent)
    except NotInArchive:
        return None
    for entry in entries:
        if entry.file == file.name:
            if sha256_of(file) != entry.sha256:
                raise NotInArchive(f"{file} is damaged, or was changed: its SHA-256 is not that of the manifest.")
            return entry
    return None


def sha256_of(file: Path) -> str:
    """The digest of the file as it lies there."""
    with file.open("rb") as opened_file:
        return hashlib.file_digest(opened_file, "sha256").hexdigest()


def _is_whole(file: Path, rows: int, content_sha256: str) -> bool:
    content = hashlib.sha256()
    lines = 0
    try:
        with file.open("rb") as raw:
            unpacked: BinaryIO = reading(raw)
            while block := unpacked.read(BLOCK_BYTES):
                content.update(block)
                lines += block.count(b"\n")
    except broken_data_errors():
        return False
    return lines == rows and content.hexdigest() == content_sha256


def _gathered(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Fewer and larger blocks: a database gives a line at a time."""
    gathered: list[bytes] = []
    size = 0
    for block in blocks:
        gathered.append(block)
        size += len(block)
        if size >= BLOCK_BYTES // 4:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)
