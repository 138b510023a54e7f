"""The archive: the numbers of dead processes, added up in one file.

Without it, a counter would decrease when a worker ends, or the files of dead workers would pile up. The archive lists
the files that it includes, so that a crash between writing the archive and removing the files counts no number twice. A
reader needs no lock: it reads the archive first, then the files that the archive does not include.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from health.metrics.multiprocess import is_abandoned
from health.metrics.numbers import Numbers, fold, read_numbers

MERGING = "merging"
ARCHIVE = "archive.json"

FILE = re.compile(r"(counter|histogram|summary|gauge_[a-z]+)_(\d+)(-[0-9a-f]+)?\.db")
"""Kind, pid, and the suffix that only files of `SharedFile` have, whose owner holds the lock."""


@dataclasses.dataclass(frozen=True, slots=True)
class Archive:
    """The numbers by kind, and the names of the included files that may still exist."""

    merged: frozenset[str] = frozenset()
    numbers: dict[str, Numbers] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class NumberFile:
    """A file of numbers, described by its name."""

    name: str
    kind: str
    pid: str
    is_ours: bool

    @property
    def ends_with_owner(self) -> bool:
        """Whether the numbers are dropped when the owner is dead."""
        return self.kind.startswith("gauge_live")

    @property
    def stays(self) -> bool:
        """Whether the numbers are shown by pid, and so cannot be added up."""
        return self.kind == "gauge_all"


def number_files(directory: Path) -> Iterator[NumberFile]:
    """Yield the files of numbers in the directory."""
    for name in os.listdir(directory):
        if match := FILE.fullmatch(name):
            kind, pid, ours = match.groups()
            yield NumberFile(name, kind, pid, bool(ours))


def read_archive(directory: Path) -> Archive:
    """Return the archive; an empty one if there is none yet."""
    try:
        content = json.loads((directory / ARCHIVE).read_bytes())
        return Archive(
            frozenset(content["merged"]),
            {kind: {key.encode(): (value, at) for key, value, at in rows} for kind, rows in content["numbers"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Archive()


def merge_dead_processes(directory: Path) -> None:
    """Move the numbers of dead processes into the archive, unless another process is doing so.

    Raises `OSError` if the archive cannot be written. The files then stay, and are counted as before.
    """
    dead = [
        file
        for file in number_files(directory)
        if file.is_ours and not file.stays and is_abandoned(directory / file.name)
    ]
    if not dead:
        return
    with _alone(directory) as alone:
        if not alone:
            return
        archive = read_archive(directory)
        numbers = {kind: dict(rows) for kind, rows in archive.numbers.items()}
        for file in dead:
            if file.name not in archive.merged and not file.ends_with_owner:
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    fold(file.kind, numbers.setdefault(file.kind, {}), read_numbers(directory / file.name))
        names = {file.name for file in dead}
        there = {file.name for file in number_files(directory)}
        _write(directory, Archive(frozenset((archive.merged | names) & there), numbers))
        for name in names:
            (directory / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[bool]:
    descriptor = os.open(directory / MERGING, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _write(directory: Path, archive: Archive) -> None:
    content = {
        "merged": sorted(archive.merged),
        "numbers": {
            kind: [[key.decode(), value, at] for key, (value, at) in rows.items()]
            for kind, rows in archive.numbers.items()
        },
    }
    unfinished = directory / f".{ARCHIVE}.{os.getpid()}"
    try:
        unfinished.write_text(json.dumps(content))
        unfinished.rename(directory / ARCHIVE)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
