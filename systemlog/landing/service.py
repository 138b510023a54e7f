"""The lander at work: once elected, pass after pass, as a thread of a server or a process of its own.

Two threads of it: one lands, and may hang with the database; one has the disk hold the journal each second, and tells
once when landing hangs. Neither is in any request's way.
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
from systemlog.landing.lander import BATCH_LINES, DatabaseDown, Lander
from systemlog.landing.lock import LanderLock

logger = logging.getLogger("systemlog.landing")

POLL_S = 0.05
PAUSE_S = 0.01
"""Between two batches others get SQLite's lock."""

SYNC_S = 1.0
MAX_PAUSE_S = 1.0
ELECTION_S = 1.0
MAX_BACKOFF_S = 5.0
SILENT_S = 5.0
"""After so long without an answer the database counts as one that does not answer."""

THREAD_BATCH_LINES = 2000
THREAD_SHARE = 0.1
"""The most of its time for which the thread keeps the serving process from requests."""


class LandingService:
    """Lands until it is told to stop."""

    def __init__(self, *, share: float = 1.0, batch_lines: int = BATCH_LINES) -> None:
        self._share = share
        self._batch_lines = batch_lines
        self._stop = threading.Event()
        self._asked_at: float | None = None
        """When the pass under way began; None between passes."""
        self._down = False

    def stop(self) -> None:
        """Have `run` return after the pass under way."""
        self._stop.set()

    def run(self) -> None:
        """Wait to be elected, then land; returns after `stop`."""
        while not self._stop.is_set():
            try:
                folder = directory.target_folder()
            except JournalUnusable as error:
                complain(f"Nothing can be landed. {error}")
                return  # the settings of a process do not change
            election = LanderLock(folder)
            try:
                if election.win():
                    self._serve(folder)
                else:
                    self._stop.wait(ELECTION_S)
            except OSError as error:  # no directory, no room: the journal's own trouble
                complain(f"Nothing can be landed from {folder}. {error}")
                self._stop.wait(MAX_BACKOFF_S)
            except Exception as error:
                logger.exception("Landing failed, and begins anew.", extra={"error": type(error).__name__})
                self._stop.wait(MAX_BACKOFF_S)
            finally:
                election.step_down()

    def _serve(self, folder: Path) -> None:
        lander = Lander(folder, batch_lines=self._batch_lines)
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(lander, ended), name="systemlog journal", daemon=True)
        keeper.start()
        pause = POLL_S
        try:
            while not self._stop.is_set() and folder == directory.target_folder():
                busy_s = time.thread_time()
                self._asked_at = time.monotonic()
                try:
                    done = lander.land_once()
                except DatabaseDown as error:
                    pause = min(max(pause, POLL_S) * 2, MAX_BACKOFF_S)
                    self._tell_down(str(error))
                else:
                    # While the driver or SQLite stores, requests have the interpreter.
                    busy = time.thread_time() - busy_s - lander.storing_s
                    least = PAUSE_S if done >= self._batch_lines else POLL_S
                    pause = min(max(busy / self._share - busy, least), MAX_PAUSE_S)
                    self._tell_up()
                finally:
                    self._asked_at = None
                self._release_pooled()
                self._stop.wait(pause)
            with suppress(DatabaseDown):
                lander.land_all()
        finally:
            ended.set()
            connections.close_all()

    def _keep(self, lander: Lander, ended: threading.Event) -> None:
        while not ended.wait(SYNC_S):
            with suppress(OSError):
                lander.sync()
            asked_at = self._asked_at
            if asked_at is not None and time.monotonic() - asked_at > SILENT_S:
                self._tell_down("it does not answer")

    def _tell_down(self, why: str) -> None:
        if not self._down:
            self._down = True
            logger.warning(
                "The log database takes no records; they wait in the journal.",
                extra={"action": "landing.down", "reason": why},
            )

    def _tell_up(self) -> None:
        if self._down:
            self._down = False
            logger.warning("The log database takes records again.", extra={"action": "landing.up"})

    def _release_pooled(self) -> None:
        connection = connections[conf().DATABASE]
        if connection.settings_dict.get("OPTIONS", {}).get("pool"):
            connection.close()  # a pool's connections are for requests
