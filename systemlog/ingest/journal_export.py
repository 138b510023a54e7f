"""Reading the journal export format (systemd.io/JOURNAL_EXPORT_FORMATS) as it arrives, in bounded memory.

An entry has a line `NAME=value` for each field. A field whose value is not plain text has a line with its name, then
the value's length in eight bytes, the value, and a line break. A blank line ends the entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from systemlog.ingest.streams import BodyBroken

MAX_FIELD_BYTES = 64 * 1024
MAX_ENTRY_BYTES = 2**20
"""The largest entry, with the overhead of its fields. Fields beyond this are dropped and counted."""

WINDOW_BYTES = 256 * 1024
"""An entry that is longer than this is read field by field."""

FIELD_BYTES = 100
"""The memory that a field takes beside its value."""

MAX_NAME_BYTES = 256
MAX_NAMES = 5000
"""How many names of fields are kept as text, so that they are not decoded for each entry."""

_name = re.compile(rb"[A-Za-z0-9_]{1,256}(?=[=\n])")
_is_name = re.compile(rb"[A-Za-z0-9_]{1,256}").fullmatch

NO_EXPORT = "The body is not in the journal export format."
BROKE_OFF = "A field breaks off."

_names: dict[bytes, str] = {}


class Entry:
    """An entry: its fields by name, and the number of bytes that the cut or dropped fields had.

    The value of a field that comes more than once is a list.
    """

    __slots__ = ("_kept", "fields", "truncated")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.truncated = 0
        self._kept = 0

    def add(self, name: bytes, value: bytes, size: int) -> None:
        """Add a field. `value` is the kept part of its `size` bytes. Raises `BodyBroken` for an invalid name."""
        self._kept += len(value) + FIELD_BYTES
        if self._kept > MAX_ENTRY_BYTES:
            self.truncated += size
            return
        if size > len(value):
            self.truncated += size
        text = value.decode("utf-8", "replace")
        key = _names.get(name) or _learn(name)
        if key not in self.fields:
            self.fields[key] = text
        elif key[:2] == "__":
            return
        elif isinstance(known := self.fields[key], list):
            known.append(text)
        else:
            self.fields[key] = [known, text]

    def without_addresses(self) -> Entry:
        """Remove the fields that say where the entry stands in its journal, except cursor and time."""
        for name in [name for name in self.fields if name[:2] == "__"]:
            if name not in ("__CURSOR", "__REALTIME_TIMESTAMP"):
                del self.fields[name]
        return self


def read_entries(pieces: Iterator[bytes]) -> Iterator[Entry]:
    """Yield the entries of a body, each as soon as it arrives. Raises `BodyBroken` after the last complete entry."""
    window = _Window(pieces)
    while True:
        while window.peek() == b"\n":
            window.at += 1
        if not window.peek():
            return
        entry = window.entry_at_once() or window.entry_by_fields()
        if entry.fields or entry.truncated:
            yield entry.without_addresses()


class _Window:
    """A window of the body: `_more` appends the next piece at the end and drops what was read at the start."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._data = b""
        self.at = 0

    def peek(self) -> bytes:
        """Return the next byte; b"" at the end."""
        if self.at >= len(self._data) and not self._more():
            return b""
        return self._data[self.at : self.at + 1]

    def entry_at_once(self) -> Entry | None:
        """Read an entry of plain fields that ends within the window. For any other, return None and read nothing."""
        end = self._data.find(b"\n\n", self.at)
        while end < 0:
            seen = len(self._data) - self.at
            if seen > WINDOW_BYTES or not self._more():
                return None
            end = self._data.find(b"\n\n", self.at + max(seen - 1, 0))
        if end - self.at > WINDOW_BYTES:
            return None
        entry = Entry()
        for line in self._data[self.at : end].split(b"\n"):
            name, equals, value = line.partition(b"=")
            if not equals or len(value) > MAX_FIELD_BYTES:
                return None
            entry.add(name, value, len(value))
        self.at = end + 2
        return entry

    def entry_by_fields(self) -> Entry:
        """Read an entry of any kind and size."""
        entry = Entry()
        while (byte := self.peek()) and byte != b"\n":
            while not (match := _name.match(self._data, self.at)):
                if len(self._data) - self.at > MAX_NAME_BYTES or not _is_name(self._data[self.at :]):
                    raise BodyBroken(NO_EXPORT)
                if not self._more():
                    raise BodyBroken(BROKE_OFF)
            self.at = match.end() + 1
            if self._data[match.end()] == ord("="):
                value, size = self._line()
            else:
                value, size = self._sized()
            entry.add(match.group(), value, size)
        self.at += 1
        return entry

    def _line(self) -> tuple[bytes, int]:
        """Read up to the next line break. Returns the kept part of the value, and the value's size."""
        kept, size = bytearray(), 0
        while (end := self._data.find(b"\n", self.at)) < 0:
            size += self._keep(kept, len(self._data))
            if not self._more():
                raise BodyBroken(BROKE_OFF)
        size += self._keep(kept, end)
        self.at = end + 1
        return bytes(kept), size

    def _sized(self) -> tuple[bytes, int]:
        """Read a value that follows its length. Returns the kept part of the value, and the value's size."""
        while len(self._data) - self.at < 8:
            if not self._more():
                raise BodyBroken(BROKE_OFF)
        size = int.from_bytes(self._data[self.at : self.at + 8], "little")
        self.at += 8
        kept, left = bytearray(), size
        while left:
            left -= self._keep(kept, min(len(self._data), self.at + left))
            if left and not self._more():
                raise BodyBroken(BROKE_OFF)
        if self.peek() != b"\n":
            raise BodyBroken(BROKE_OFF)
        self.at += 1
        return bytes(kept), size

    def _keep(self, kept: bytearray, end: int) -> int:
        """Read up to `end`, and keep at most `MAX_FIELD_BYTES` of the field. Returns how many bytes were read."""
        passed = end - self.at
        kept += self._data[self.at : min(end, self.at + MAX_FIELD_BYTES - len(kept))]
        self.at = end
        return passed

    def _more(self) -> bool:
        """Append the next piece and drop what was read. Returns False at the end."""
        piece = next(self._pieces, b"")
        if piece:
            self._data, self.at = self._data[self.at :] + piece, 0
        return bool(piece)


def _learn(name: bytes) -> str:
    if not _is_name(name):
        raise BodyBroken(NO_EXPORT)
    text = name.decode()
    if len(_names) < MAX_NAMES:
        _names[name] = text
    return text
