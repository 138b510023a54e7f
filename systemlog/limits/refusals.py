"""Log records about refused requests: one for each key and minute, with the number of refusals.

A record for each refusal would let any client fill the log. So the processes of this host count refusals together, in a
file beside the file of the limits. The first refusal of a key begins a minute; at its end, one process writes the
record. If a process is killed, another process that runs, or the next one that starts, writes its records.
"""

from __future__ import annotations

import atexit
import logging
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from systemlog.conf import conf
from systemlog.correlation.context import carried
from systemlog.forking import run_after_fork
from systemlog.limits.guard import limits_directory
from systemlog.limits.stores.file import LockedFile, StoreFile
from systemlog.problems.error_log import configured_level

logger = logging.getLogger("systemlog.limits")

MINUTE_NS = 60 * 10**9
FILE = "refusals"
STATUS = 429

ROWS = 512
WAYS = 8
"""Keys of one row that are counted apart. Refusals of further keys are added to the last key of the row."""

_slot = struct.Struct("<16sQQ32s64s")
"""Key, end of its minute, number of refusals, name of the policy, and the refused address or user (UTF-8, cut)."""
ROW_BYTES = WAYS * _slot.size


class Refused(NamedTuple):
    """The refusals of one key in one minute."""

    key: bytes
    until: int
    number: int
    policy: bytes
    who: bytes


FREE = Refused(bytes(16), 0, 0, b"", b"")
EMPTY_ROW = bytes(ROW_BYTES)
OTHERS = b"(several)"


class Refusals:
    """Counts refusals, and writes their records when their minutes are over."""

    PAUSE_S = 1.0

    def __init__(self) -> None:
        self._file: StoreFile | None = None
        self._alone: dict[bytes, Refused] = {}
        """Refusals that could not be counted in the file, for example because the disk is full."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._is_counted = False
        """Whether this process holds its lock of the file. The lock shows that this process writes records."""

    def note(self, key: bytes, policy: str, by: str, who: str) -> None:
        """Count one refusal."""
        shown = who if by in ("ip", "user") else f"{by}:{who}"
        texts = policy.encode()[:32], shown.encode("utf-8", "replace")[:64]
        with self._lock:
            now = time.time_ns()
            try:
                self._count(self._opened(), key, now, *texts)
            except OSError:
                before = self._alone.get(key) or Refused(key, now + MINUTE_NS, 0, *texts)
                if len(self._alone) < ROWS or key in self._alone:
                    self._alone[key] = before._replace(number=before.number + 1)
            thread = self._new_thread()
        self._start(thread)

    def tell(self, *, all_of_them: bool = False) -> bool:
        """Write the records of the minutes that are over. Return whether other minutes are not over yet."""
        with self._lock:
            now = time.time_ns()
            over: list[Refused] = []
            going_on = False
            try:
                file = self._opened()
                for start in range(0, ROWS * ROW_BYTES, ROW_BYTES):
                    if file.read(start, ROW_BYTES) != EMPTY_ROW:
                        taken, left = self._take_over(file, start, now, all_of_them)
                        over += taken
                        going_on = going_on or left
            except OSError:
                pass  # their records are written when the file can be read again
            for key, one in list(self._alone.items()):
                if all_of_them or _is_over(one, now):
                    over.append(self._alone.pop(key))
            going_on = going_on or bool(self._alone)
        for one in over:
            _log_uncorrelated(one)
        return going_on

    def begin_in_child(self) -> None:
        """Reset the state in a forked process, which uses the same file."""
        self._lock = threading.Lock()
        self._alone, self._thread, self._ended, self._is_counted = {}, None, threading.Event(), False

    def end(self) -> None:
        """Write all records when the last process ends. Called at the end of each process."""
        self._ended.set()
        if self._file is not None and self._is_last():
            self.tell(all_of_them=True)

    def close(self) -> None:
        """Close the file. The next refusal opens the file of the current settings."""
        with self._lock:
            file, self._file, self._is_counted = self._file, None, False
            if file is not None:
                file.close()

    def resume(self) -> None:
        """Start writing the records of refusals that an earlier process has counted."""
        with self._lock:
            directory = limits_directory()
            exists = directory is not None and (directory / FILE).exists()
            thread = self._new_thread() if exists else None
        self._start(thread)

    def _opened(self) -> LockedFile:
        directory = limits_directory() or Path("/nonexistent")
        path = directory / FILE
        if self._file is None or self._file.path != path:
            self._file = StoreFile(path, ROWS * ROW_BYTES)
        else:
            self._file.look()
        file = self._file.open()
        if not self._is_counted:
            self._is_counted = file.own()
        return file

    def _count(self, file: LockedFile, key: bytes, now: int, policy: bytes, who: bytes) -> None:
        start = int.from_bytes(key[:2]) % ROWS * ROW_BYTES
        with file.locked(start, ROW_BYTES):
            slots = list(_slots(file.read(start, ROW_BYTES)))
            place = next((place for place, one in enumerate(slots) if one.number and one.key == key), None)
            if place is None:
                place = next((place for place, one in enumerate(slots) if not one.number), None)
                if place is None:
                    place = WAYS - 1
                    slots[place] = slots[place]._replace(key=bytes(16), who=OTHERS)
                else:
                    slots[place] = Refused(key, now + MINUTE_NS, 0, policy, who)
            one = slots[place]
            file.write(start + place * _slot.size, _slot.pack(*one._replace(number=one.number + 1)))

    def _take_over(self, file: LockedFile, start: int, now: int, all_of_them: bool) -> tuple[list[Refused], bool]:
        """Empty the slots whose minute is over. Return them, and whether other slots are in use."""
        with file.locked(start, ROW_BYTES):
            slots = list(_slots(file.read(start, ROW_BYTES)))
            taken = []
            for place, one in enumerate(slots):
                if one.number and (all_of_them or _is_over(one, now)):
                    file.write(start + place * _slot.size, _slot.pack(*FREE))
                    taken.append(one)
            return taken, any(one.number for one in slots if one not in taken)

    def _is_last(self) -> bool:
        """Return whether no other process holds the file."""
        try:
            return self._opened().own(alone=True)
        except OSError:
            return True

    def _new_thread(self) -> threading.Thread | None:
        """Return the thread that writes records, for `_start`; None if there is one. The caller holds the lock."""
        if self._thread is not None:
            return None
        self._thread = threading.Thread(target=self._run, name="systemlog-refusals", daemon=True)
        return self._thread

    def _start(self, thread: threading.Thread | None) -> None:
        """Start the thread, which ends when there is no refusal to report.

        The caller does not hold the lock: under gevent, starting a thread lets other requests run, and they would wait
        for the lock without end if it was made before gevent replaced the locks.
        """
        if thread is None:
            return
        try:
            thread.start()
        except RuntimeError:  # no thread can be started; the next refusal tries again
            with self._lock:
                self._thread = None

    def _run(self) -> None:
        ended = self._ended
        while not ended.wait(self.PAUSE_S):
            with self._lock:
                thread = self._thread
            if thread is not threading.current_thread():
                return
            if not self.tell():
                with self._lock:
                    self._thread = None
                return


def _slots(row: bytes) -> Iterator[Refused]:
    return map(Refused._make, _slot.iter_unpack(row))


def _is_over(one: Refused, now: int) -> bool:
    # A clock that was set back must not keep a record for years.
    return not now < one.until <= now + MINUTE_NS


def _log(one: Refused) -> None:
    level = configured_level(STATUS, conf().PROBLEM_LOG_LEVELS)
    if level is None:
        return
    policy, who = (text.rstrip(b"\0").decode("utf-8", "replace") for text in (one.policy, one.who))
    logger.log(
        level,
        "%d requests of %s were refused within a minute by the rate limit %s",
        one.number,
        who,
        policy,
        extra={"action": "limits.refused", "policy": policy, "key": who, "count": one.number},
    )


# Without a correlation, because the record is about many requests.
_log_uncorrelated = carried(None, _log)

refusals = Refusals()
"""The refusals of this process."""

atexit.register(refusals.end)
run_after_fork(refusals.begin_in_child)
