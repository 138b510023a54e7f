"""The journal of tests: a sink that keeps lines for a test that captures them, and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from systemlog.records.copy_text import decode
from systemlog.records.row import Row


class MemorySink:
    """Takes every line, and keeps it where `kept` is a list."""

    def __init__(self, kept: list[Row] | None = None) -> None:
        self._kept = kept

    def append(self, line: bytes) -> bool:
        """Take one line."""
        if self._kept is not None:
            self._kept.append(decode(line))
        return True

    def append_many(self, lines: Sequence[bytes], writer: str | None = None) -> int:
        """Take all lines."""
        for line in lines:
            self.append(line)
        return len(lines)

    def close(self) -> None:
        """Do nothing: this sink holds nothing open."""
