"""The journal's directory: where it is, what it holds, and how full it is. This module reads files, never the database.

Each target (a database) has a folder of its own in the directory, so that services and databases that share it never
land each other's records.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from systemlog.conf import conf
from systemlog.exceptions import SystemLogError
from systemlog.journal.framing import HEAD_BYTES, accepted_at
from systemlog.journal.segments import CELLS, CELLS_OFFSET, SUFFIX, Cell, read_writer
from systemlog.records.levels import LEVEL_NAMES

LANDER_LOCK = "lander.lock"
QUARANTINE = "quarantine"


SEGMENT_BYTES = 2**24
INODES_LEFT = 16


_writers: dict[Path, str | None] = {}
"""The writers of the segments in which something waits, as the segments' headers name them."""

_seen_landed: dict[Path, tuple[int, int]] = {}
"""Size and modification time of the segments in which nothing waited when they were last read."""


class JournalUnusable(SystemLogError, OSError):
    """The journal has no directory that this process, and no other user, can write to. The text says what to do."""


class SegmentState(NamedTuple):
    """The state of a segment as its file shows it."""

    path: Path
    bytes: int
    waiting_bytes: int
    refused: tuple[int, ...]
    unreported: tuple[int, ...]
    """By level, the refused records that no record in the log mentions yet."""


class JournalState(NamedTuple):
    """What waits in the journal of one target."""

    segments: int
    bytes: int
    waiting_bytes: int
    max_bytes: int
    oldest_age_s: float
    """Seconds since the oldest waiting record was accepted; 0 where none waits."""
    refused: dict[str, int]
    """By level, how many records were refused that no record in the log mentions yet."""
    foreign: list[str]
    """Names of segments that this process cannot read, because they belong to another user."""
    quarantined: int
    """The number of lines and whole segments in quarantine."""

    @property
    def fill(self) -> float:
        """The part of `max_bytes` that is taken, from 0 to 1."""
        return self.waiting_bytes / self.max_bytes


def journal_directory() -> Path:
    """Return `JOURNAL_DIR`, else `$STATE_DIRECTORY/journal`, else `BASE_DIR/var/journal`.

    Raises `JournalUnusable` where none of these is set.
    """
    if conf().JOURNAL_DIR:
        return Path(conf().JOURNAL_DIR)
    if state := os.environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state) / "journal"
    if base := getattr(settings, "BASE_DIR", None):
        return Path(base) / "var" / "journal"
    raise JournalUnusable("The journal has no directory: set SYSTEMLOG['JOURNAL_DIR'], or BASE_DIR.")


def target() -> str:
    """Return the name of the log database as its folder is called: the alias, and a digest of name, host and port."""
    alias = conf().DATABASE
    database: dict[str, Any] = settings.DATABASES.get(alias, {})
    parts = [str(database.get(key, "")) for key in ("NAME", "HOST", "PORT")]
    return f"{alias}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def target_folder() -> Path:
    """Return the folder of the present target, which need not exist."""
    return journal_directory() / target()


def make_folder(folder: Path) -> None:
    """Create the folder if it is missing. Raises `JournalUnusable` where it is no private directory of this user."""
    try:
        for missing in reversed([each for each in folder.parents if not each.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would give parents the mode of the umask
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise JournalUnusable(f"The journal's directory {folder} cannot be used: {error.strerror}.") from error
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise JournalUnusable(
            f"The journal's directory {folder} belongs to another user, or others may write to it: "
            "make it this service's own, with mode 0700."
        )


def segment_bytes() -> int:
    """Return the size at which a segment is full and the next one begins."""
    return min(SEGMENT_BYTES, conf().JOURNAL_MAX_BYTES // 8)


def segment_files(folder: Path) -> list[Path]:
    """Return the paths of the segments, oldest first."""
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with suppress(FileNotFoundError):
                    found.append((entry.stat().st_mtime_ns, Path(entry.path)))
    return [path for _, path in sorted(found)]


def count_refused(folder: Path) -> tuple[int, ...]:
    """Return, by level, how many records the present segments refused in all."""
    return _sums(state.refused for state in _segment_states(folder))


def waiting_bytes(folder: Path) -> dict[str | None, int]:
    """Return how many bytes wait to be landed, by writer; None stands for the processes' own records.

    A file that was landed when it was last read, and has not changed since, is not opened again.
    """
    # These caches are kept for the process: a writer asks each second, and there may be thousands of landed segments.
    global _seen_landed, _writers
    landed: dict[Path, tuple[int, int]] = {}
    writers: dict[Path, str | None] = {}
    totals: dict[str | None, int] = {}
    for path in segment_files(folder):
        with suppress(OSError):
            status = path.stat()
            version = (status.st_size, status.st_mtime_ns)
            state = None if _seen_landed.get(path) == version else _segment_state(path)
            if state is None or state.waiting_bytes == 0:
                landed[path] = version
            else:
                writer = writers[path] = _writers[path] if path in _writers else _writer_of(path)
                totals[writer] = totals.get(writer, 0) + state.waiting_bytes
    _seen_landed, _writers = landed, writers
    return totals


def read_state() -> JournalState:
    """Return what waits in the journal of the present target. Raises `JournalUnusable` where it has no directory."""
    folder = target_folder()
    states = list(_segment_states(folder))
    waiting = [state for state in states if state.waiting_bytes]
    readable = {state.path for state in states}
    return JournalState(
        segments=len(states),
        bytes=sum(state.bytes for state in states),
        waiting_bytes=sum(state.waiting_bytes for state in states),
        max_bytes=conf().JOURNAL_MAX_BYTES,
        oldest_age_s=max((_age_s(state) for state in waiting), default=0.0),
        refused=dict(zip(LEVEL_NAMES, _sums(state.unreported for state in states), strict=True)),
        foreign=[path.name for path in segment_files(folder) if path not in readable],
        quarantined=count_quarantined(folder),
    )


def is_crowded(folder: Path) -> bool:
    """Whether the file system lacks the room, or the inodes, for another segment."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    room = status.f_bavail * status.f_frsize
    return room < segment_bytes() or (status.f_files > 0 and status.f_favail < INODES_LEFT)


def count_quarantined(folder: Path) -> int:
    """Return how many lines and whole segments are in quarantine."""
    total = 0
    for file in (folder / QUARANTINE).glob("*.ndjson"):
        with suppress(OSError):
            total += file.read_bytes().count(b"\n")
    return total + len(list((folder / QUARANTINE).glob(f"*{SUFFIX}")))


def _segment_states(folder: Path) -> Iterator[SegmentState]:
    for path in segment_files(folder):
        # A segment that cannot be opened has been landed and removed since, or belongs to another user.
        with suppress(OSError):
            if state := _segment_state(path):
                yield state


def _segment_state(path: Path) -> SegmentState | None:
    """Return the state of a segment's file; None while it has no header. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        data = os.pread(descriptor, CELLS.size, CELLS_OFFSET)
    finally:
        os.close(descriptor)
    if len(data) < CELLS.size:
        return None
    cells = CELLS.unpack(data)
    refused, reported = cells[Cell.REFUSED : Cell.REPORTED], cells[Cell.REPORTED :]
    unreported = tuple(max(0, total - known) for total, known in zip(refused, reported, strict=True))
    return SegmentState(path, size, max(0, size - cells[Cell.LANDED]), refused, unreported)


def _writer_of(path: Path) -> str | None:
    """Return the writer that the segment's header names. Raises `OSError`."""
    with path.open("rb") as file:
        return read_writer(file.read(CELLS_OFFSET))


def _sums(counts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*counts, strict=True))) or (0,) * len(LEVEL_NAMES)


def _age_s(state: SegmentState) -> float:
    """Return for how many seconds the oldest waiting record of the segment has waited."""
    with suppress(OSError):
        descriptor = os.open(state.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            head = os.pread(descriptor, HEAD_BYTES, state.bytes - state.waiting_bytes)
        finally:
            os.close(descriptor)
        accepted = accepted_at(head)
        return 0.0 if accepted is None else max(0.0, time.time() - accepted)
    return 0.0
