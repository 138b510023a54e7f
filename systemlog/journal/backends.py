"""The sinks of accepted lines. The setting `JOURNAL` chooses the sink; a process makes it for its first record."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from systemlog import compat
from systemlog.conf import NAME, conf
from systemlog.forking import run_after_fork
from systemlog.journal.files import FilesJournal
from systemlog.records.copy_text import encode, escape_text
from systemlog.records.fields import MAX_TEXT_CHARACTERS
from systemlog.records.row import Row
from systemlog.redaction import Scan, Search, engine, redact_issued


class Sink(Protocol):
    """Takes lines. A sink that cannot take a line says so by its return value, and never raises."""

    def append(self, line: bytes, /) -> bool:
        """Take one line; False if it was refused."""

    def append_many(self, lines: Sequence[bytes], /, writer: str | None = None) -> int:
        """Take lines, in order, and return how many were taken. Stops at the first line that is refused.

        `writer` is the client that sent the lines, or None for the process's own records.
        """

    def close(self) -> None:
        """Release files and connections. Lines that were taken stay taken."""


class WriterConfig(NamedTuple):
    """What the hot path needs of the settings, looked up once."""

    sink: Sink
    source: bytes
    """The `source` column of this process's own records, as it stands in a line."""
    search: Search
    scan: Scan


SINKS = {
    "files": "systemlog.journal.files.FilesJournal",
    "direct": "systemlog.landing.direct.DirectSink",
    "memory": "systemlog.journal.memory.MemorySink",
}
"""Dotted paths of the sinks. They are not imported here, because `direct` stores records and so stands above the
journal."""

_lock = threading.RLock()
_config: WriterConfig | None = None
_override: Sink | None = None


def kind() -> str:
    """Return the value of the setting `JOURNAL`. In tests it is `memory`, unless the project's settings have the key.

    Otherwise the tests of a project without the key would leave segments in `var/journal` that nobody lands or removes.
    """
    if compat.in_tests() and "JOURNAL" not in getattr(settings, NAME, {}):
        return "memory"
    return conf().JOURNAL


def writer_config() -> WriterConfig:
    """Return the configuration of the settings in force."""
    return _config or _find()


def sink() -> Sink:
    """Return the sink of the settings in force."""
    return writer_config().sink


def has_written() -> bool:
    """Whether this process has logged something, and so has a sink."""
    return _config is not None


def accept_rows(rows: Sequence[Row]) -> int:
    """Append rows as they are, in order, and return how many were taken. Stops at the first row without room."""
    taken = 0
    for writer, group in groupby(rows, key=attrgetter("recorded_by")):
        lines = [encode(row) for row in group]
        accepted = sink().append_many(lines, writer)
        taken += accepted
        if accepted < len(lines):
            break
    return taken


def accept_lines(lines: Sequence[bytes], writer: str | None) -> int:
    """Append the lines of one writer, as `accept_rows` appends rows."""
    return sink().append_many(lines, writer)


def close() -> None:
    """Close the sink. The next record makes another one."""
    global _config
    with _lock:
        left, _config = _config, None
    if left is not None:
        left.sink.close()


def replace(other: Sink | None) -> Sink | None:
    """Send all lines to `other` from now on, or (None) to the sink of the settings. Returns the sink that `other`
    replaces."""
    global _override
    close()
    before, _override = _override, other
    return before


def begin_tests(**_: object) -> None:
    """Receive `connection_created`: in tests, drop a sink that was chosen before the tests were set up.

    Django sends no signal when it sets up tests, but the first connection to the test database comes soon afterwards.
    """
    if compat.in_tests() and _config is not None and isinstance(_config.sink, FilesJournal) and kind() != "files":
        close()


def _find() -> WriterConfig:
    global _config  # noqa: PLW0603  (one per process)
    with _lock:
        if _config is None:
            name = conf().SOURCE or socket.gethostname()[:MAX_TEXT_CHARACTERS]
            _config = WriterConfig(
                _override or import_string(SINKS[kind()])(), escape_text(redact_issued(name)), *engine()
            )
        return _config


def _find_anew(*, setting: str, **_: object) -> None:
    # Tests change settings. Comparing them for each record would cost the record half a microsecond.
    if setting == NAME:
        close()


setting_changed.connect(_find_anew)


@run_after_fork
def _begin_anew() -> None:
    # The segment belongs to the parent. This closes the descriptor of this process, which does not release the parent's
    # lock.
    global _config, _lock
    _config, _lock = None, threading.RLock()
