"""An archive: a directory of NDJSON files, compressed, with a manifest that says what is in each of them.

A file is written beside its place, read again and compared, and only then known to the manifest; so what the manifest
names is whole. The same records give the same file, and are not archived twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from systemlog.retention import signatures
from systemlog.retention.compression import SUFFIXES, broken_data_errors, reading, writing
from systemlog.retention.private_files import NotPrivate, create, make_directory, open_lock, open_regular

MANIFEST = "manifest.json"
ARCHIVE_LOCK = ".lock"
PART = ".part"
FORMAT = "system_logs archive 1"
BLOCK_BYTES = 2**20

_plain_name = re.compile(r"[^./\\\x00][^/\\\x00]*")
"""A file beside the manifest that is not hidden; no path."""


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
    partition: str
    rows: int
    since: str
    until: str
    bytes: int
    sha256: str
    content_sha256: str
    compression: str
    written_at: str
    signature: str = ""

    @property
    def is_vouched_for(self) -> bool:
        """Whether this installation wrote the file, and says so by a signature that is valid."""
        return bool(self.signature) and signatures.is_valid(self._signed_fields(), self.signature)

    def signed(self) -> Entry:
        """The same entry, with a signature."""
        return replace(self, signature=signatures.sign(self._signed_fields()))

    def _signed_fields(self) -> dict[str, object]:
        fields = asdict(self)
        del fields["signature"]
        return fields


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

    def write(self, partition: str, blocks: Iterable[bytes]) -> Entry | None:
        """Archive lines of a leaf, in blocks that end with a line, and verify that they can be read again.

        Gives None if there is no line. Raises `ArchiveFailed`, `OSError`.
        """
        part = self.directory / (partition + PART)
        content = _Content(hashlib.sha256())
        try:
            with create(part) as file:
                with writing(file, self.compression) as packed:
                    for block in _gathered(blocks):
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
            if entry.is_vouched_for:
                return entry
            # Its content was compared just now: from here on this process vouches for it.
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
        """Later records of the same leaf have a file of their own."""
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


def read_manifest(directory: Path) -> list[Entry]:
    """What the manifest of a directory names; nothing where there is none. Raises `NotInArchive` for another kind."""
    manifest = directory / MANIFEST
    try:
        with open_regular(manifest) as file:
            given = json.load(file)
        if given["format"] == FORMAT:
            return [_read_entry(entry) for entry in given["files"]]
    except FileNotFoundError:
        return []
    except NotPrivate as error:
        raise NotInArchive(str(error)) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise NotInArchive(f"{manifest} is no manifest that this version knows.")


def _read_entry(given: Mapping[str, object]) -> Entry:
    """An entry, whose file is a plain name. Raises `TypeError`, `ValueError`."""
    for field in fields(Entry):
        expected = int if field.type == "int" else str
        if not isinstance(given.get(field.name, ""), expected) and field.name in given:
            raise TypeError(field.name)
    entry = Entry(**given)  # type: ignore[arg-type]
    if not _plain_name.fullmatch(entry.file):
        raise ValueError(entry.file)
    return entry


@contextmanager
def opened_file(file: Path) -> Iterator[tuple[BufferedReader, Entry | None]]:
    """The file, open to be read, and what the manifest beside it says of it, if anything.

    Raises `NotInArchive` where the manifest names the file, and it is a link, or another one.
    """
    entry = _named_beside(file)
    if entry is None:
        with file.open("rb") as opened:
            yield opened, None
        return
    try:
        reader = open_regular(file)
    except NotPrivate as error:
        raise NotInArchive(str(error)) from None
    with reader:
        if hashlib.file_digest(reader, "sha256").hexdigest() != entry.sha256:
            raise NotInArchive(f"{file} is damaged, or was changed: its SHA-256 is not that of the manifest.")
        reader.seek(0)  # the same descriptor: what was compared is what is read
        yield reader, entry


def _named_beside(file: Path) -> Entry | None:
    try:
        entries = read_manifest(file.parent)
    except NotInArchive:
        return None
    return next((entry for entry in entries if entry.file == file.name), None)


def _sha256_of(file: Path) -> str:
    """The digest of the file as it lies there."""
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
