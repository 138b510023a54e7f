"""The sink for hosts without a disk: each record goes into the database before the call returns.

A thread with a connection of its own stores the records, so they are outside the caller's transaction, which may be
rolled back. There is no queue: a caller waits for its turn, then for its records. Records that the database does not
take within a few seconds are refused, and a transaction that is under way then is rolled back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from queue import SimpleQueue

from django.db import Error, connections, transaction

from systemlog import compat
from systemlog.conf import conf
from systemlog.exceptions import SystemLogError
from systemlog.journal.reentrancy import storing_records
from systemlog.journal.stderr import complain
from systemlog.landing.notes import forget_if_due
from systemlog.records.copy_text import decode, texts
from systemlog.records.repetition import repeats
from systemlog.records.row import Row
from systemlog.storage import Storage, get_storage
from systemlog.storage.conflicts import KEY_BYTES

logger = logging.getLogger("systemlog.landing")

TIMEOUT_S = 5.0
COMMIT_S = 1.0
"""A COMMIT that is under way at the timeout cannot be taken back, and so gets this much longer."""

SLOW_SHARE = 0.2
"""A failure that took more than this part of the timeout costs callers too much."""

PAUSE_S = 10.0
"""After such a failure records are refused at once for this long. Then one caller tries again."""

ATTEMPTS = 2
"""The first attempt may meet a connection that the database has closed, or a partition that is gone."""


class CallerGaveUp(SystemLogError):
    """The caller has already reported these records as refused."""


class DirectSink:
    """Stores each record before the call returns."""

    def __init__(self, timeout_s: float = TIMEOUT_S, pause_s: float = PAUSE_S) -> None:
        self._timeout_s, self._pause_s = timeout_s, pause_s
        self._turn = threading.Lock()
        """Held for one job at a time until the job has ended, which may be after its caller gave up."""
        self._worker: _Worker | None = None
        self._storing: int | None = None
        """The identifier of the thread that stores the job under way."""
        self._failing = False
        self._paused_until = 0.0

    def append(self, line: bytes) -> bool:
        """Store one line; False if the database did not take it."""
        return self.append_many([line]) == 1

    def append_many(self, lines: Sequence[bytes], writer: str | None = None) -> int:
        """Store all the lines, or none."""
        if self._storing == threading.get_ident():
            return 0  # this record was logged while another one is stored, and would wait for that one
        job = _Job(lines)
        deadline = time.monotonic() + self._timeout_s
        # While the database fails, one caller tries, and no other caller waits for that one.
        if self._is_paused() or not self._turn.acquire(timeout=0 if self._failing else self._timeout_s):
            complain("The log database does not store records as fast as they come; some are refused.")
            return 0
        if self._is_paused():  # the previous job failed
            self._turn.release()
            return 0
        begun = time.monotonic()
        self._begin(job)
        stored = job.wait(max(deadline - begun, 0.0))
        if stored:
            self._failing = False
        elif time.monotonic() - begun > self._timeout_s * SLOW_SHARE:
            self._failing, self._paused_until = True, time.monotonic() + self._pause_s
        if not stored:
            return 0
        _report_conflicts(job.conflicts)
        return len(lines)

    def close(self) -> None:
        """End the thread after the job under way."""
        is_idle = self._turn.acquire(timeout=self._timeout_s)
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.jobs.put(None)
        if is_idle:
            self._turn.release()

    def _is_paused(self) -> bool:
        return self._failing and time.monotonic() < self._paused_until

    def _begin(self, job: _Job) -> None:
        if self._worker is None:
            worker = _Worker(self._store)
            try:
                worker.start()
            except RuntimeError:  # from Python 3.12 on, a function of `atexit` can start no thread
                self._store(job, _connection_of_its_own())
                return
            self._worker = worker
        self._worker.jobs.put(job)

    def _store(self, job: _Job, around: AbstractContextManager[None] | None = None) -> None:
        self._storing = threading.get_ident()
        try:
            with storing_records():
                job.run(around or nullcontext())
        finally:
            self._storing = None
            job.end()
            self._turn.release()


class _Worker(threading.Thread):
    """Thread that stores one job after the other.

    It is a daemon thread: it goes on until the functions of `atexit` are done, and does not keep the process from
    ending.
    """

    def __init__(self, store: Callable[[_Job], None]) -> None:
        super().__init__(name="systemlog direct", daemon=True)
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._store = store

    def run(self) -> None:
        try:
            while (job := self.jobs.get()) is not None:
                self._store(job)
                with storing_records():
                    forget_if_due()
        finally:
            connections.close_all()


class _Job:
    """Records to be stored. Either the caller gives them up or they are committed, never both."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self._rows = [decode(line) for line in lines]
        self.conflicts: list[Row] = []
        """The records that were not stored, because other records have their ids and timestamps."""
        self._fate = threading.Lock()
        """Acquired once, either by the caller that gives up or by the thread that is about to commit."""
        self._storage: Storage | None = None
        self._error: Exception | None = None
        self._ending = threading.Lock()
        self._ended = threading.Event()

    def run(self, around: AbstractContextManager[None]) -> None:
        """Store the records, unless the caller has given them up. Never raises."""
        try:
            with around:
                self._storage = get_storage()
                for attempt in range(1, ATTEMPTS + 1):
                    try:
                        self._attempt(self._storage)
                        break
                    except Error:
                        if attempt == ATTEMPTS or self._fate.locked():
                            raise
                    finally:
                        compat.drop_unusable(self._storage.connection)
        except Exception as error:  # noqa: BLE001  (a driver may raise anything; the application goes on)
            self._error = error

    def end(self) -> None:
        """Wake the caller. From now on the connection belongs to the next job."""
        with self._ending:
            self._ended.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the records to be stored, and return whether they were; if not in time, they never will be."""
        if not self._ended.wait(timeout_s) and not self._has_committed_late():
            complain("The log database does not answer; records are refused.")
            return False
        if self._error is not None:
            complain(f"The log database does not take records: {type(self._error).__name__}.")
        return self._error is None

    def _has_committed_late(self) -> bool:
        """Give the records up. A COMMIT that is under way cannot be taken back; return whether it succeeded soon."""
        if not self._fate.acquire(blocking=False) and self._ended.wait(COMMIT_S):
            return True
        with self._ending:
            if self._storage is not None and not self._ended.is_set():
                self._storage.abort_statement()
        return False

    def _attempt(self, storage: Storage) -> None:
        with transaction.atomic(using=storage.connection.alias):
            if storage.insert(self._rows) < len(self._rows):
                self.conflicts = self._find_conflicts(storage)
            if not self._fate.acquire(blocking=False):
                raise CallerGaveUp

    def _find_conflicts(self, storage: Storage) -> list[Row]:
        known = storage.find_stored(row[:2] for row in self._rows)
        return [
            row
            for row, line in zip(self._rows, self._lines, strict=True)
            if (stored := known.get(line[:KEY_BYTES])) is not None and not repeats(stored, texts(line))
        ]


def _report_conflicts(conflicts: Sequence[Row]) -> None:
    """Log each record that was not stored with its values: without a disk there is no quarantine that could keep it."""
    for row in conflicts:
        logger.warning(
            "A record was not stored, because another one has its id and timestamp.",
            extra={"action": "direct.conflict", "record": row._asdict()},
        )


@contextmanager
def _connection_of_its_own() -> Iterator[None]:
    """Context manager: this thread uses a new connection to the log database, in place of one in a transaction."""
    alias = conf().DATABASE
    before = connections[alias]
    connections[alias] = connections.create_connection(alias)
    try:
        yield
    finally:
        connections[alias].close()
        connections[alias] = before
