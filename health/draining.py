"""Draining: this instance takes no new traffic, and finishes what it has.

`manage.py drain` says so by a file, which all workers of the instance see. SIGTERM says so to the one process that
got it, for the connections that it still serves.

A process that serves holds a shared lock on the folder of that file, so that the command knows whether one is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import threading
from pathlib import Path
from types import FrameType

from django.conf import settings

from health.conf import conf

FILE_NAME = "draining"

_stopping = threading.Event()
_watched: tuple[Path, int] | None = None
"""The folder that this process holds the lock on, and the lock's descriptor."""


class NoDrainFile(Exception):
    """There is no place for the file: set HEALTH['DRAIN_FILE'], STATE_DIRECTORY or BASE_DIR."""


def drain_file() -> Path | None:
    """The file whose presence means draining; None where no place for it is known."""
    if conf().DRAIN_FILE:
        return Path(conf().DRAIN_FILE)
    if state := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(state) / FILE_NAME
    base = _base_dir()
    return None if base is None else base / "var" / FILE_NAME


@functools.cache
def _base_dir() -> Path | None:
    """The project's folder; asked once, since no process has two."""
    base = getattr(settings, "BASE_DIR", None)
    return Path(base) if base else None


def is_draining() -> bool:
    """Whether this instance, or this process, is on its way out."""
    if _stopping.is_set():
        return True
    file = drain_file()
    return file is not None and os.path.exists(file)


def watch() -> None:
    """From now on this process is one that looks for the file, as long as it lives.

    A file that nobody looked for until now is what a server left behind that is gone: it is removed.
    """
    global _watched  # noqa: PLW0603  (of the process)
    file = drain_file()
    if file is None or (_watched is not None and _watched[0] == file.parent):
        return
    if _watched is not None:
        os.close(_watched[1])
        _watched = None
    with contextlib.suppress(OSError):  # a folder that cannot be made, or locks that the file system does not know
        file.parent.mkdir(mode=0o700, exist_ok=True)  # without its parents: a volume may not be mounted
        descriptor = os.open(file.parent, os.O_RDONLY)
        _watched = file.parent, descriptor
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # others hold it exclusively for an instant, as above


def is_watched() -> bool:
    """Whether some process looks for the file; True where that cannot be known."""
    file = drain_file()
    if file is None:
        return False
    try:
        descriptor = os.open(file.parent, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def start_draining() -> None:
    """Take the instance out of service. Raises `NoDrainFile`, or `OSError` when the file cannot be written."""
    file = drain_file()
    if file is None:
        raise NoDrainFile(NoDrainFile.__doc__)
    file.touch()


def stop_draining() -> None:
    """Put it back into service."""
    file = drain_file()
    if file is not None:
        file.unlink(missing_ok=True)


def drain_on_sigterm() -> None:
    """From SIGTERM on, this process is not ready; the server's own handler then does what it does.

    Only where a server has a handler: without one the process ends at once, and there is nothing to drain.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may set handlers
    server_handler = signal.getsignal(signal.SIGTERM)
    if not callable(server_handler) or getattr(server_handler, "is_health", False):
        return

    def handler(number: int, frame: FrameType | None) -> None:
        _stopping.set()
        server_handler(number, frame)

    handler.is_health = True  # type: ignore[attr-defined]  # an attribute of ours
    signal.signal(signal.SIGTERM, handler)
