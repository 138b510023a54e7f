"""The lander as a thread of a serving process. It starts with the first request, and never in tests or commands.

A command has no such thread. What a command logged is landed when it ends.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from systemlog import compat
from systemlog.conf import conf
from systemlog.forking import run_after_fork
from systemlog.journal import backends, directory
from systemlog.journal.stderr import complain
from systemlog.landing.lander import Lander
from systemlog.landing.lock import LanderLock
from systemlog.landing.service import THREAD_BATCH_LINES, THREAD_SHARE, LandingService

END_S = 1.5
"""How long the end of a process waits until its records are landed. The rest stays in the journal."""

_started = False
_service: LandingService | None = None
_thread: threading.Thread | None = None


def start_with_request(sender: object = None, **kwargs: object) -> None:
    """Receive `request_started`: start the lander with the first request of the process."""
    global _started, _service, _thread  # noqa: PLW0603  (one per process)
    if _started:
        return
    _started = True  # two first requests at once would start two landers, of which one waits for the lock
    settings = conf()
    if settings.JOURNAL != "files" or settings.LANDER != "thread" or compat.in_tests():
        return
    if _threads_are_off():
        complain("uWSGI runs without threads: set enable-threads, or run `manage.py land_system_logs` beside it.")
        return
    _service = LandingService(share=THREAD_SHARE, batch_lines=THREAD_BATCH_LINES)
    _thread = threading.Thread(target=_service.run, name="systemlog lander", daemon=True)
    _thread.start()


def stop() -> None:
    """Stop the lander at the end of the process, after a last pass."""
    if _service is not None and _thread is not None:
        _service.stop()
        _thread.join(END_S)


@contextmanager
def landing_at_end() -> Iterator[None]:
    """Context manager around a command: land what it logged when it ends, unless a lander is at work.

    This takes `END_S` at most. Whatever goes wrong, the records stay in the journal and the command ends as it would
    have.
    """
    try:
        yield
    finally:
        # This is done in a thread, because the database may hang and the command must not.
        with suppress(Exception):
            if backends.has_written() and backends.kind() == "files":
                landing = threading.Thread(target=_land_rest, name="systemlog lander", daemon=True)
                landing.start()
                landing.join(END_S)


def _land_rest() -> None:
    with suppress(Exception):  # for example, there is no database: the next lander lands the records
        folder = directory.target_folder()
        lock = LanderLock(folder)
        if lock.acquire():
            Lander(folder).land_all()
            lock.release()


def _threads_are_off() -> bool:
    uwsgi = sys.modules.get("uwsgi")
    options = getattr(uwsgi, "opt", {})
    return uwsgi is not None and not (options.get("enable-threads") or options.get("threads"))


@run_after_fork
def _begin_anew() -> None:
    global _started, _service, _thread
    _started, _service, _thread = False, None, None
