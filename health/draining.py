"""Draining: readiness answers 503, and requests are still served.

`manage.py drain` creates the drain file, which all workers of the instance look for. SIGTERM makes only the process
that receives it drain.

Every serving process holds a shared lock on the directory of the drain file. The command thereby knows whether a
server is running.
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
"""The directory that this process has locked, and the descriptor that holds the lock."""


class NoDrainFile(Exception):
    """No directory for the drain file is known: set HEALTH['DRAIN_FILE'], STATE_DIRECTORY or BASE_DIR."""


def drain_file() -> Path | None:
    """Return the path of the drain file; None if no directory for it is known."""
    if conf().DRAIN_FILE:
        return Path(conf().DRAIN_FILE)
    if state := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(state) / FILE_NAME
    base = _base_dir()
    return None if base is None else base / "var" / FILE_NAME


@functools.cache
def _base_dir() -> Path | None:
    """Return BASE_DIR. It is read once, because it does not change in a process."""
    base = getattr(settings, "BASE_DIR", None)
    return Path(base) if base else None


def is_draining() -> bool:
    """Return whether this instance or this process is draining."""
    if _stopping.is_set():
        return True
    file = drain_file()
    return file is not None and os.path.exists(file)


def watch() -> None:
    """Lock the directory of the drain file for the life of this process. The lock shows that it looks for the file.

    If no other process holds the lock, a drain file that exists was left by an earlier server, and is removed.
    """
    global _watched  # noqa: PLW0603  (of the process)
    file = drain_file()
    if file is None or (_watched is not None and _watched[0] == file.parent):
        return
    if _watched is not None:
        os.close(_watched[1])
        _watched = None
    with contextlib.suppress(OSError):  # the directory cannot be created, or the file system has no locks
        file.parent.mkdir(mode=0o700, exist_ok=True)  # not its parents: a volume may not be mounted
        descriptor = os.open(file.parent, os.O_RDONLY)
        _watched = file.parent, descriptor
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # another process may hold it exclusively for an instant, as above


def is_watched() -> bool:
    """Return whether a process looks for the drain file; True if that cannot be found out."""
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
    """Create the drain file. Raises `NoDrainFile`, or `OSError` if the file cannot be written."""
    file = drain_file()
    if file is None:
        raise NoDrainFile(NoDrainFile.__doc__)
    file.touch()


def stop_draining() -> None:
    """Remove the drain file."""
    file = drain_file()
    if file is not None:
        file.unlink(missing_ok=True)


def drain_on_sigterm() -> None:
    """Make this process drain when it receives SIGTERM, before the server's own handler runs.

    Nothing is done if the server has no handler: the process then ends at once, and cannot drain.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may set signal handlers
    server_handler = signal.getsignal(signal.SIGTERM)
    if not callable(server_handler) or getattr(server_handler, "is_health", False):
        return

    def handler(number: int, frame: FrameType | None) -> None:
        _stopping.set()
        server_handler(number, frame)

    handler.is_health = True  # type: ignore[attr-defined]  # an attribute of ours
    signal.signal(signal.SIGTERM, handler)
