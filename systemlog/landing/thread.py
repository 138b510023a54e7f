"""The lander as a thread of a serving process: it starts with the first request, never in tests or commands.

A command has no such thread; what it logged is landed when it ends.
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
"""So long the end of a process waits for what it logged to be landed; the rest stays in the journal."""

_asked = False
_service: LandingService | None = None
_thread: threading.Thread | None = None


def start_with_request(sender: object = None, **kwargs: object) -> None:
    """A receiver of `request_started`: the first request of a process starts its lander."""
    global _asked, _service, _thread  # noqa: PLW0603  (of the process)
    if _asked:
        return
    _asked = True  # two first requests at once would start two, of which one waits to be elected
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
    """At the end of the process: hand over to another's lander, after a last pass."""
    if _service is not None and _thread is not None:
        _service.stop()
        _thread.join(END_S)


@contextmanager
def landing_at_end() -> Iterator[None]:
    """Around a command: what it logged is landed when it ends, unless a lander is at work; never for long.

    Whatever hinders that, the records stay in the journal, and the command ends as it would have.
    """
    try:
        yield
    finally:
        # In a thread, since the database may hang, and the command must not.
        with suppress(Exception):
            if backends.has_written() and backends.kind() == "files":
                landing = threading.Thread(target=_land_rest, name="systemlog lander", daemon=True)
                landing.start()
                landing.join(END_S)


def _land_rest() -> None:
    with suppress(Exception):  # no database, say: the next lander has it
        folder = directory.target_folder()
        election = LanderLock(folder)
        if election.win():
            Lander(folder).land_all()
            election.step_down()


def _threads_are_off() -> bool:
    uwsgi = sys.modules.get("uwsgi")
    options = getattr(uwsgi, "opt", {})
    return uwsgi is not None and not (options.get("enable-threads") or options.get("threads"))


@run_after_fork
def _begin_anew() -> None:
    global _asked, _service, _thread
    _asked, _service, _thread = False, None, None
