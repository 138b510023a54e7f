"""The copy of the digests outside the database: a file in `DIGEST_DIR`, to which each digest is appended.

Its last line is the newest digest that this host has seen. The owner of the database cannot change this file.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from systemlog.conf import conf
from systemlog.digests.leaves import Leaves
from systemlog.digests.statements import NotAStatement, Statement, read
from systemlog.exceptions import SystemLogError

FILE = "digests.ndjson"
LEAVES = "leaves"
LOCK = ".lock"
VERIFICATION = "verification.json"
TAIL_BYTES = 2**16


class OutsideUnusable(SystemLogError, OSError):
    """The directory of the digests cannot be used. The text says why."""


class Verification(NamedTuple):
    """When the log was last verified on this host, and whether every hour was as it was sealed (`held`)."""

    at: datetime
    held: bool


class SeenFrontier(NamedTuple):
    """The hour before which all hours are sealed, by this host's digests. `log` is the name of the log in notes."""

    until: datetime
    log: str


class Outside:
    """The directory of the digests outside the database."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / FILE
        self.leaves = Leaves(directory / LEAVES)

    def exists(self) -> bool:
        """Whether there is a digest outside."""
        try:
            return self.file.stat().st_size > 0
        except OSError:
            return False

    def head(self) -> Statement | None:
        """Return the last digest, or None if there is none. Raises `NotAStatement` and `OutsideUnusable`."""
        try:
            with self.file.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                take = TAIL_BYTES
                while True:
                    file.seek(max(0, size - take))
                    whole = file.read(take).rpartition(b"\n")[0]  # a line that a crash cut short has no newline
                    line = whole.rpartition(b"\n")[2]
                    if b"\n" in whole or take >= size:
                        return read(line.decode()) if line else None
                    take *= 8
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutsideUnusable(f"The digests in {self.file} cannot be read: {error.strerror}.") from None

    def lines(self) -> Iterator[str]:
        """Yield the lines, oldest first."""
        try:
            with self.file.open(encoding="utf-8", errors="replace", newline="\n") as file:
                for line in file:
                    if line.endswith("\n"):
                        yield line[:-1]
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutsideUnusable(f"The digests in {self.file} cannot be read: {error.strerror}.") from None

    def append(self, lines: Iterable[str]) -> None:
        """Append lines, and wait until they are on disk. Raises `OutsideUnusable`."""
        data = "".join(f"{line}\n" for line in lines).encode()
        try:
            self.make()
            descriptor = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OutsideUnusable:
            raise
        except OSError as error:
            raise OutsideUnusable(f"The digests in {self.file} cannot be written: {error.strerror}.") from None

    def make(self) -> None:
        """Create the directory if it is missing. Raises `OutsideUnusable` if other users can write to it."""
        try:
            for missing in reversed([each for each in self.directory.parents if not each.exists()]):
                missing.mkdir(mode=0o700, exist_ok=True)
            self.directory.mkdir(mode=0o700, exist_ok=True)
            status = self.directory.stat()
        except OSError as error:
            raise OutsideUnusable(f"The directory {self.directory} cannot be used: {error.strerror}.") from None
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise OutsideUnusable(f"Other users can write to the directory {self.directory}: chmod 700 it.")

    @contextmanager
    def locked(self, *, wait: bool) -> Iterator[bool]:
        """Hold the lock of this directory, and yield True. Yield False without `wait` if another process holds it."""
        self.make()
        try:
            descriptor = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutsideUnusable(f"The directory {self.directory} cannot be used: {error.strerror}.") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def last_verification(self) -> Verification | None:
        """Return the last verification on this host, or None if there was none."""
        try:
            said: dict[str, Any] = json.loads((self.directory / VERIFICATION).read_text())
            return Verification(datetime.fromisoformat(said["at"]), bool(said["held"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_verification(self, *, held: bool) -> None:
        """Record that the log was verified now. Nothing is recorded if the directory cannot be written to."""
        with suppress(OSError):
            self.make()
            part = self.directory / f"{VERIFICATION}.{os.getpid()}"
            part.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "held": held}))
            part.rename(self.directory / VERIFICATION)


_seen: tuple[object, SeenFrontier | None] = None, None
"""What `seen_frontier` returned last, after the status of the file that it was read from."""


def seen_frontier() -> SeenFrontier | None:
    """Return the frontier that this host's digests prove, or None if they cannot be read or there are none."""
    global _seen  # noqa: PLW0603  (the file is read again only when it has changed)
    try:
        place = outside()
        status = place.file.stat()
        read_from = place.file, status.st_ino, status.st_size, status.st_mtime_ns
        if _seen[0] != read_from:
            head = place.head()
            until = head.until if head else None
            _seen = read_from, SeenFrontier(until, read(next(place.lines())).sha256) if until else None
        return _seen[1]
    except (OSError, NotAStatement):
        return None


def outside() -> Outside:
    """Return the directory of the digests. Raises `OutsideUnusable` if there is none.

    It is `DIGEST_DIR`, else `$STATE_DIRECTORY/digests`, else `BASE_DIR/var/digests`.
    """
    if conf().DIGEST_DIR:
        return Outside(Path(conf().DIGEST_DIR))
    if state := os.environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Outside(Path(state) / "digests")
    if base := getattr(settings, "BASE_DIR", None):
        return Outside(Path(base) / "var" / "digests")
    raise OutsideUnusable("The digests have no directory outside the database: set SYSTEMLOG['DIGEST_DIR'].")
