"""The manifest of an archive: the list of its files, with the content, the checksum and the signature of each."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from io import BufferedReader
from pathlib import Path

from systemlog.exceptions import SystemLogError
from systemlog.retention import signatures
from systemlog.retention.private_files import NotPrivate, open_regular

MANIFEST = "manifest.json"

FORMAT = "system_logs archive 1"

_plain_name = re.compile(r"[^./\\\x00][^/\\\x00]*")
"""The name of a file beside the manifest that is not hidden. A path does not match."""


class NotInArchive(SystemLogError):
    """The file differs from its entry in the manifest beside it, or the manifest cannot be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive.

    `sha256` is the checksum of the compressed file, `content_sha256` that of the decompressed content. `since` and
    `until` are the times of the oldest and the newest record, in RFC 3339 format.
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
    def is_signed_by_us(self) -> bool:
        """Whether the entry has a valid signature of this installation."""
        return bool(self.signature) and signatures.is_valid(self._signed_fields(), self.signature)

    def signed(self) -> Entry:
        """Return the entry with a signature."""
        return replace(self, signature=signatures.sign(self._signed_fields()))

    def _signed_fields(self) -> dict[str, object]:
        fields = asdict(self)
        del fields["signature"]
        return fields


def read_manifest(directory: Path) -> list[Entry]:
    """Return the entries of a directory's manifest, or an empty list if there is no manifest.

    Raises `NotInArchive` if the manifest is a link, or has another format.
    """
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


@contextmanager
def open_verified(file: Path) -> Iterator[tuple[BufferedReader, Entry | None]]:
    """Open a file for reading, with its entry of the manifest beside it, or None if the manifest has no entry of it.

    Raises `NotInArchive` if there is an entry, and the file is a link, or its checksum is another.
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
        reader.seek(0)  # read from the same descriptor, so that the compared bytes are the ones that are read
        yield reader, entry


def _read_entry(given: Mapping[str, object]) -> Entry:
    """Return a checked entry: its members have the right types, its file is a plain name.

    Raises `TypeError` and `ValueError`.
    """
    for field in fields(Entry):
        expected = int if field.type == "int" else str
        if not isinstance(given.get(field.name, ""), expected) and field.name in given:
            raise TypeError(field.name)
    entry = Entry(**given)  # type: ignore[arg-type]  # checked above
    if not _plain_name.fullmatch(entry.file):
        raise ValueError(entry.file)
    return entry


def _named_beside(file: Path) -> Entry | None:
    try:
        entries = read_manifest(file.parent)
    except NotInArchive:
        return None
    return next((entry for entry in entries if entry.file == file.name), None)
