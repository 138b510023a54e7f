"""Files of an archive: written by one user into a directory of their own, and never through a link."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO


class NotPrivate(Exception):
    """The directory belongs to another user, or others may write to it, or a link is where a file should be."""


def make_directory(directory: Path) -> None:
    """Make the directory if it is missing. Raises `NotPrivate`, `OSError`."""
    directory.mkdir(mode=0o700, exist_ok=True)  # without its parents: a volume may not be mounted
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotPrivate(
            f"The archive's directory {directory} belongs to another user, or others may write to it: "
            "make it this service's own, with mode 0700. Nothing was deleted."
        )


def create(file: Path) -> BinaryIO:
    """A new file to write to. One that an earlier run left there is removed before; of a link, the link alone."""
    file.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(file, flags, 0o600), "wb")


def open_lock(file: Path) -> BinaryIO:
    """The file to lock, made if it is missing. Raises `NotPrivate`, `OSError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotPrivate(f"{file} is a link: remove it. Nothing was deleted.") from None
        raise
    return os.fdopen(descriptor, "r+b", buffering=0)


def open_regular(file: Path) -> BufferedReader:
    """The file, open to be read. Raises `NotPrivate` for a link, a directory, a pipe or a device; `OSError`."""
    try:
        # Not waiting: to open a pipe would, until somebody writes to it.
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
