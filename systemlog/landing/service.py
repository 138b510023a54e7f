"""The landing service: waits for the lock, then lands pass after pass, in a server's thread or a process of its own.

One thread lands, and may hang with the database. Another flushes the journal to disk each second, and logs when landing
hangs. Each duty of the lander has a further thread. Requests wait for none of them.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path

from django.db import connections

from systemlog.conf import conf
from systemlog.journal import directory
from systemlog.journal.directory import JournalUnusable
from systemlog.journal.stderr import complain
from systemlog.landing.duties import Duties
from systemlog.landing.lander import BATCH_LINES, DatabaseDown, Lander
from systemlog.landing.lock import LanderLock

logger = logging.getLogger("systemlog.landing")

POLL_S = 0.05
PAUSE_S = 0.01
"""Pause between two batches, in which other connections get SQLite's lock."""

SYNC_S = 1.0
LONGEST_PAUSE_S = 1.0
LOCK_RETRY_S = 1.0
MAX_BACKOFF_S = 5.0
HANGING_S = 5.0
"""After this long without an answer, the database is reported as hanging."""

THREAD_BATCH_LINES = 2000
THREAD_SHARE = 0.1
"""The largest share of its time for which the thread may keep the serving process from handling requests."""


class LandingService:
    """Lands until `stop` is called."""

    def __init__(self, *, share: float = 1.0, batch_lines: int = BATCH_LINES) -> None:
        self._share = share
        self._batch_lines = batch_lines
        self._stop = threading.Event()
        self._pass_began: float | None = None
        """Start of the pass under way; None between passes."""
        self._down = False

    def stop(self) -> None:
        """Make `run` return after the pass under way."""
        self._stop.set()

    def run(self) -> None:
        """Wait for the lock, then land. Returns after `stop`."""
        while not self._stop.is_set():
            try:
                folder = directory.target_folder()
            except JournalUnusable as error:
                complain(f"Nothing can be landed. {error}")
                return  # the settings of a process do not change
            lock = LanderLock(folder)
            try:
                if lock.acquire():
                    self._serve(folder)
                else:
                    self._stop.wait(LOCK_RETRY_S)
            except OSError as error:  # there is no directory or no room: the journal reports that itself
                complain(f"Nothing can be landed from {folder}. {error}")
                self._stop.wait(MAX_BACKOFF_S)
            except Exception as error:
                logger.exception("Landing failed, and begins anew.", extra={"error": type(error).__name__})
                self._stop.wait(MAX_BACKOFF_S)
            finally:
                lock.release()

    def _serve(self, folder: Path) -> None:
        lander = Lander(folder, batch_lines=self._batch_lines)
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(lander, ended), name="systemlog journal", daemon=True)
        keeper.start()
        duties = Duties()
        duties.start()
        pause = POLL_S
        try:
            while not self._stop.is_set() and folder == directory.target_folder():
                busy_s = time.thread_time()
                self._pass_began = time.monotonic()
                try:
                    done = lander.land_once()
                except DatabaseDown as error:
                    pause = min(max(pause, POLL_S) * 2, MAX_BACKOFF_S)
                    self._report_down(str(error))
                else:
                    # While the driver or SQLite stores rows, requests can use the interpreter.
                    busy = time.thread_time() - busy_s - lander.storing_s
                    least = PAUSE_S if done >= self._batch_lines else POLL_S
                    pause = min(max(busy / self._share - busy, least), LONGEST_PAUSE_S)
                    self._report_up()
                finally:
                    self._pass_began = None
                self._release_pooled()
                self._stop.wait(pause)
            with suppress(DatabaseDown):
                lander.land_all()
        finally:
            ended.set()
            duties.stop()
            connections.close_all()

    def _keep(self, lander: Lander, ended: threading.Event) -> None:
        while not ended.wait(SYNC_S):
            with suppress(OSError):
                lander.sync()
            pass_began = self._pass_began
            if pass_began is not None and time.monotonic() - pass_began > HANGING_S:
                self._report_down("it does not answer")

    def _report_down(self, why: str) -> None:
        if not self._down:
            self._down = True
            logger.warning(
                "The log database takes no records; they wait in the journal.",
                extra={"action": "landing.down", "reason": why},
            )

    def _report_up(self) -> None:
        if self._down:
            self._down = False
            logger.warning("The log database takes records again.", extra={"action": "landing.up"})

    def _release_pooled(self) -> None:
        connection = connections[conf().DATABASE]
        if connection.settings_dict.get("OPTIONS", {}).get("pool"):
            connection.close()  # the connections of a pool are for requests
