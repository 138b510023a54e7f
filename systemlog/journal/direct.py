"""The journal where there is no disk: each line goes into the database before the call returns.

Not into the caller's transaction, which may be rolled back: a thread of its own has a connection of its own. What the
database does not take within a few seconds is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate

from django.db import connections

from systemlog.journal.complaints import complain
from systemlog.storage import storage_of
from systemlog.storage.lines import decode

PATIENCE_S = 5.0


class DirectSink:
    """Stores lines as they come."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "systemlog direct")

    def append(self, level: int, line: bytes) -> bool:
        """Store one line; False if the database did not take it."""
        return self.append_many([(level, line)]) == 1

    def append_many(self, lines: Sequence[tuple[int, bytes]]) -> int:
        """Store all the lines, or none."""
        stored = self._thread.submit(_store, [line for _, line in lines])
        try:
            stored.result(PATIENCE_S)
        except TooLate:
            complain(f"The log database did not answer within {PATIENCE_S:.0f} s; records are refused.")
        except Exception as error:  # noqa: BLE001  (whatever a driver raises: the application goes on)
            complain(f"The log database does not take records: {type(error).__name__}.")
        else:
            return len(lines)
        return 0

    def close(self) -> None:
        """End the thread when it is done."""
        self._thread.submit(connections.close_all)
        self._thread.shutdown(wait=False)


def _store(lines: list[bytes]) -> None:
    from systemlog.journal.nesting import storing_records

    with storing_records():
        storage = storage_of()
        try:
            storage.insert([decode(line) for line in lines])
        finally:
            storage.connection.close_if_unusable_or_obsolete()
