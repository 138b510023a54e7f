"""Where accepted lines go, by the setting `JOURNAL`: one sink a process, made when the first record comes."""

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
from systemlog.records.row import Row
from systemlog.redaction import Scan, Search, engine, redact_issued

MAX_SOURCE_CHARACTERS = 200


class Sink(Protocol):
    """Takes lines; says no, and never raises, where it cannot."""

    def append(self, line: bytes, /) -> bool:
        """Take one line; False if it was refused."""

    def append_many(self, lines: Sequence[bytes], /, writer: str | None = None) -> int:
        """Take lines, in order; gives how many: the first that is refused ends it.

        `writer` is who sent them, if they are not the process's own.
        """

    def close(self) -> None:
        """Let go of what it holds; what was taken stays taken."""


class WriterConfig(NamedTuple):
    """What the settings mean for a record: all that the hot path needs, looked up once."""

    sink: Sink
    source: bytes
    """The `source` of this process's own records, as it stands in a line."""
    search: Search
    scan: Scan


SINKS = {
    "files": "systemlog.journal.files.FilesJournal",
    "direct": "systemlog.landing.direct.DirectSink",
    "memory": "systemlog.journal.memory.MemorySink",
}
"""Dotted paths of the sinks: `direct` stores records, so its module is above the journal."""

_lock = threading.RLock()
_config: WriterConfig | None = None
_override: Sink | None = None


def kind() -> str:
    """Where records go: what the setting `JOURNAL` says. In tests `memory`, unless the project's settings have the key.

    Else the tests of a project that left it out would leave segments in `var/journal` that nobody lands or removes.
    """
    if compat.in_tests() and "JOURNAL" not in getattr(settings, NAME, {}):
        return "memory"
    return conf().JOURNAL


def writer_config() -> WriterConfig:
    """The way of a record by the settings in force."""
    return _config or _find()


def sink() -> Sink:
    """The sink of the settings in force."""
    return writer_config().sink


def has_written() -> bool:
    """Whether this process has a sink: something was logged."""
    return _config is not None


def accept_rows(rows: Sequence[Row]) -> int:
    """Take rows as they are, in order; gives how many: the first for which there is no room ends it."""
    taken = 0
    for writer, group in groupby(rows, key=attrgetter("recorded_by")):
        lines = [encode(row) for row in group]
        accepted = sink().append_many(lines, writer)
        taken += accepted
        if accepted < len(lines):
            break
    return taken


def accept_lines(lines: Sequence[bytes], writer: str | None) -> int:
    """Take lines of one writer, as `accept_rows` takes rows."""
    return sink().append_many(lines, writer)


def close() -> None:
    """Let go of the sink; the next record makes another."""
    global _config
    with _lock:
        left, _config = _config, None
    if left is not None:
        left.sink.close()


def replace(other: Sink | None) -> Sink | None:
    """Have all lines go to `other` from now on, or (None) where the settings say. Gives what was in its place."""
    global _override
    close()
    before, _override = _override, other
    return before


def begin_tests(**_: object) -> None:
    """A receiver of `connection_created`: in tests, what was logged before they were set up has not chosen the sink.

    Django sends no signal when it sets up tests; the first connection to the tests' database comes soon afterwards.
    """
    if compat.in_tests() and _config is not None and isinstance(_config.sink, FilesJournal) and kind() != "files":
        close()


def _find() -> WriterConfig:
    global _config  # noqa: PLW0603  (of the process)
    with _lock:
        if _config is None:
            name = conf().SOURCE or socket.gethostname()[:MAX_SOURCE_CHARACTERS]
            _config = WriterConfig(
                _override or import_string(SINKS[kind()])(), escape_text(redact_issued(name)), *engine()
            )
        return _config


def _find_anew(*, setting: str, **_: object) -> None:
    # Tests change settings; asking for each record whether they did would cost it half a microsecond.
    if setting == NAME:
        close()


setting_changed.connect(_find_anew)


@run_after_fork
def _begin_anew() -> None:
    # The segment stays the parent's: this process's descriptor of it is closed, and its lock not let go of.
    global _config, _lock
    _config, _lock = None, threading.RLock()
