"""Opens the files of an archive safely: in a directory that no other user can write to, and never through a link."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from systemlog.exceptions import SystemLogError


class NotPrivate(SystemLogError):
    """The directory belongs to another user, or other users can write to it, or a file is not a regular file."""


def make_directory(directory: Path) -> None:
    """Create the directory if it is missing, and check who can write to it. Raises `NotPrivate` and `OSError`."""
    directory.mkdir(mode=0o700, exist_ok=True)  # not its parents, which are missing if a volume is not mounted
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotPrivate(
            f"The archive's directory {directory} belongs to another user, or others may write to it: "
            "make it this service's own, with mode 0700. Nothing was deleted."
        )


def create(file: Path) -> BinaryIO:
    """Create a file for writing. An existing file is removed first; of a link, only the link is removed."""
    file.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(file, flags, 0o600), "wb")


def open_lock(file: Path) -> BinaryIO:
    """Open the lock file, which is created if it is missing. Raises `NotPrivate` and `OSError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotPrivate(f"{file} is a link: remove it. Nothing was deleted.") from None
        raise
    return os.fdopen(descriptor, "r+b", buffering=0)


def open_regular(file: Path) -> BufferedReader:
    """Open a regular file for reading. Raises `NotPrivate` for a link, directory, pipe or device, and `OSError`."""
    try:
        # O_NONBLOCK, because opening a pipe would wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotPrivate(f"{file} is a link.") from None
        raise
    reader = os.fdopen(descriptor, "rb") if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    if reader is None:
        os.close(descriptor)
        raise NotPrivate(f"{file} is no regular file.")
    return reader
