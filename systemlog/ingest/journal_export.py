"""The journal export format, read as it arrives and in bounded memory: systemd.io/JOURNAL_EXPORT_FORMATS.

An entry is a line for each field, `NAME=value`; or, where the value is not plain text, a line with the name alone, the
length in eight bytes, the value and a line break. A blank line ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from systemlog.ingest.streams import BodyBroken

MAX_FIELD_BYTES = 64 * 1024
MAX_ENTRY_BYTES = 2**20
"""Of an entry, with all that it takes beside: what is beyond is not kept."""

WINDOW_BYTES = 256 * 1024
"""An entry that does not end within so much is read field by field."""

FIELD_BYTES = 100
"""What a field takes beside its name and value."""

MAX_NAME_BYTES = 256
MAX_NAMES = 5000
"""So many names of fields are remembered."""

_name = re.compile(rb"[A-Za-z0-9_]{1,256}(?=[=\n])")
_is_name = re.compile(rb"[A-Za-z0-9_]{1,256}").fullmatch

NO_EXPORT = "The body is not in the journal export format."
BROKE_OFF = "A field breaks off."

_names: dict[bytes, str] = {}


class Entry:
    """An entry: its fields by name, a list where one comes twice, and how many bytes there were of those cut."""

    __slots__ = ("_kept", "fields", "truncated")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.truncated = 0
        self._kept = 0

    def add(self, name: bytes, value: bytes, size: int) -> None:
        """Take a field, of whose `size` bytes `value` was kept. Raises `BodyBroken` for what is no name."""
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
        """The entry without the fields that tell where it stood in its journal, save its cursor and time."""
        for name in [name for name in self.fields if name[:2] == "__"]:
            if name not in ("__CURSOR", "__REALTIME_TIMESTAMP"):
                del self.fields[name]
        return self


def read_entries(pieces: Iterator[bytes]) -> Iterator[Entry]:
    """The entries of a body, each as soon as it is there. Raises `BodyBroken`, behind all that came before."""
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
    """The part of the body that is there."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._data = b""
        self.at = 0

    def peek(self) -> bytes:
        """The next byte; nothing at the end."""
        if self.at >= len(self._data) and not self._more():
            return b""
        return self._data[self.at : self.at + 1]

    def entry_at_once(self) -> Entry | None:
        """An entry of plain fields that ends soon; None for any other, of which nothing is taken."""
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
        """An entry of any kind and size."""
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
        """What stands before the next line break, as far as it is kept, and its size."""
        kept, size = bytearray(), 0
        while (end := self._data.find(b"\n", self.at)) < 0:
            size += self._keep(kept, len(self._data))
            if not self._more():
                raise BodyBroken(BROKE_OFF)
        size += self._keep(kept, end)
        self.at = end + 1
        return bytes(kept), size

    def _sized(self) -> tuple[bytes, int]:
        """A value with its length before it, as far as it is kept, and its size."""
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
        """Pass on to `end`, and keep what a field may have; gives how many bytes were passed."""
        passed = end - self.at
        kept += self._data[self.at : min(end, self.at + MAX_FIELD_BYTES - len(kept))]
        self.at = end
        return passed

    def _more(self) -> bool:
        """Append the next piece, and drop what was read; False at the end."""
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
