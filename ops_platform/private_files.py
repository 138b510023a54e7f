"""File permissions: only the platform's user may read the files that it writes, and existing SQLite databases."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

PRIVATE_UMASK = 0o077
OTHERS = stat.S_IRWXG | stat.S_IRWXO
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def restrict_new_files() -> None:
    """Set a umask with which only the user of this process may read new files. A stricter umask stays."""
    os.umask(os.umask(PRIVATE_UMASK) | PRIVATE_UMASK)


def restrict_databases(files: Iterable[Path]) -> None:
    """Remove the permissions of group and others from SQLite databases and the files beside them.

    Files of other users, and files that are not regular, stay as they are.
    """
    for file in files:
        for suffix in SQLITE_SUFFIXES:
            with contextlib.suppress(OSError):
                _restrict(file.with_name(file.name + suffix))


def _restrict(file: Path) -> None:
    # By name, because closing a descriptor of the file would release the locks that SQLite holds in this process.
    status = file.stat()
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & OTHERS:
        file.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)
