"""Writing an archive: a directory of compressed NDJSON files, with a manifest that describes each file.

A file is written under a temporary name, read again and compared. Only then it gets its name and an entry in the
manifest, so every file of the manifest is complete. The same records make the same file, and are not archived twice.
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

from systemlog.exceptions import SystemLogError
from systemlog.retention.compression import SUFFIXES, broken_data_errors, reading, writing
from systemlog.retention.manifest import FORMAT, MANIFEST, Entry, read_manifest
from systemlog.retention.private_files import NotPrivate, create, make_directory, open_lock, open_regular

ARCHIVE_LOCK = ".lock"
PART = ".part"
BLOCK_BYTES = 2**20


class ArchiveFailed(SystemLogError):
    """An archive file could not be written, or not be read again as it was written. No record of it was deleted."""


@dataclass(slots=True)
class _Content:
    """What was written to a file: the digest, the number of lines, the first line and the last block."""

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
    """An archive directory that is open for writing. `opened` ensures that one process at a time writes to it."""

    def __init__(self, directory: Path, compression: str) -> None:
        self.directory = directory
        self.compression = compression
        self.entries = read_manifest(directory)

    def write(self, partition: str, blocks: Iterable[bytes]) -> Entry | None:
        """Write the lines of a partition to a new file, verify it, and return its entry of the manifest.

        Each block consists of whole lines. Return None if there is no line. Raises `ArchiveFailed` and `OSError`.
        """
        part = self.directory / (partition + PART)
        content = _Content(hashlib.sha256())
        try:
            with create(part) as file:
                with writing(file, self.compression) as packed:
                    for block in _joined(blocks):
                        content.add(block)
                        packed.write(block)
                file.flush()
                os.fsync(file.fileno())
            return self._keep(partition, part, content) if content.rows else None
        finally:
            part.unlink(missing_ok=True)

    def _keep(self, partition: str, part: Path, content: _Content) -> Entry:
        digest = content.digest.hexdigest()
        for number, entry in enumerate(self.entries):
            if entry.content_sha256 != digest or not _is_whole(self.directory / entry.file, content.rows, digest):
                continue
            if entry.is_signed_by_us:
                return entry
            # The content has just been compared, so this installation can sign the entry.
            self.entries[number] = self._entry(self.directory / entry.file, partition, content, entry.compression)
            self._write_manifest()
            return self.entries[number]
        if not _is_whole(part, content.rows, digest):
            raise ArchiveFailed(
                f"{part} could not be read again as it was written. Nothing of {partition} was deleted."
            )
        final = self._free_name(partition)
        part.rename(final)
        entry = self._entry(final, partition, content, self.compression)
        self.entries.append(entry)
        self._write_manifest()
        return entry

    def _entry(self, file: Path, partition: str, content: _Content, compression: str) -> Entry:
        return Entry(
            file=file.name,
            partition=partition,
            rows=content.rows,
            since=json.loads(content.first)["timestamp"],
            until=json.loads(content.last.splitlines()[-1])["timestamp"],
            bytes=file.stat().st_size,
            sha256=_sha256_of(file),
            content_sha256=content.digest.hexdigest(),
            compression=compression,
            written_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        ).signed()

    def _free_name(self, partition: str) -> Path:
        """Return an unused file name. Records that arrive later in the same partition get a file of their own."""
        known = {entry.file for entry in self.entries}
        number, name = 1, f"{partition}.ndjson{SUFFIXES[self.compression]}"
        while name in known:
            number += 1
            name = f"{partition}.{number}.ndjson{SUFFIXES[self.compression]}"
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
        # A rename survives a power loss only after an fsync of the directory.
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def opened(directory: Path, compression: str, waiting: Callable[[], None]) -> Iterator[Archive]:
    """Open the archive in this directory, and lock it until the end of the block.

    The directory is created if it is missing. `waiting` is called if another process holds the lock. Raises
    `ArchiveFailed` for a directory that others can write to.
    """
    try:
        make_directory(directory)
        lock_file = open_lock(directory / ARCHIVE_LOCK)
    except NotPrivate as error:
        raise ArchiveFailed(str(error)) from None
    with lock_file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Archive(directory, compression)


def _sha256_of(file: Path) -> str:
    """Return the SHA-256 of the file as stored, which is compressed."""
    with open_regular(file) as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def _is_whole(file: Path, rows: int, content_sha256: str) -> bool:
    content = hashlib.sha256()
    lines = 0
    try:
        with open_regular(file) as raw:
            unpacked: BinaryIO = reading(raw)
            while block := unpacked.read(BLOCK_BYTES):
                content.update(block)
                lines += block.count(b"\n")
    except (FileNotFoundError, NotPrivate):
        return False
    except broken_data_errors():
        return False
    return lines == rows and content.hexdigest() == content_sha256


def _joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Join small blocks to larger ones, because the database returns a few lines at a time."""
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
