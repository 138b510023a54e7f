"""Files of the platform are its user's alone: what is made from now on, and databases of SQLite that are there."""

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
    """Let this process and those that it starts make files which only its user may read. Nothing is permitted anew."""
    os.umask(os.umask(PRIVATE_UMASK) | PRIVATE_UMASK)


def restrict_databases(files: Iterable[Path]) -> None:
    """Take the rights of others from databases of SQLite and from the files beside them.

    A file of another user stays as it is: only its owner may change that. So does what is no regular file.
    """
    for file in files:
        for suffix in SQLITE_SUFFIXES:
            with contextlib.suppress(OSError):
                _restrict(file.with_name(file.name + suffix))


def _restrict(file: Path) -> None:
    # By its name: closing a descriptor of the file would release the locks that SQLite holds on it in this process.
    status = file.stat()
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & OTHERS:
        file.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)
