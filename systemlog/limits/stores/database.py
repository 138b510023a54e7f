"""The store for several hosts without Redis: a table of the log's database, and one statement a request.

It uses a connection of its own in autocommit. In the transaction of a request, a rollback would undo the count, and the
row would be locked until the request ends. One thread of each process owns the connection, so that requests do not wait
longer than the timeout for a database that hangs. On PostgreSQL the clock is that of the server.
"""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from django.db import DatabaseError, Error, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog import compat
from systemlog.forking import run_after_fork
from systemlog.limits.gcra import Rate
from systemlog.limits.stores.interface import KEY_BYTES, StoreUnavailable

TIMEOUT_S = 0.5
"""Timeout of the database: a dead store must be noticed within a second."""

TAKE = """
INSERT INTO system_log_limit AS kept (key, tat) VALUES (%(key)s, {now} + %(interval)s)
ON CONFLICT (key) DO UPDATE
SET tat = CASE WHEN kept.tat > {now} + %(beyond)s THEN {now} + %(tolerance)s + 1
               ELSE {greatest}(kept.tat, {now}) + %(interval)s END
WHERE kept.tat > {now} + %(beyond)s OR {greatest}(kept.tat, {now}) <= {now} + %(tolerance)s - %(interval)s
RETURNING {now} + %(tolerance)s - tat
"""
"""Counts one request if it is within the limit. Returns the spare time (see `gcra.advance`), else no row.

A TAT beyond all that a request can set was set before the clock was set back. It is lowered to the latest possible one
(as in `gcra.advance`), and the request is refused: the returned time is then -1.
"""

ASK = "SELECT tat - {now} FROM system_log_limit WHERE key = %(key)s"
"""Returns how far the TAT of a refused key is in the future."""

TIDY = """
DELETE FROM system_log_limit WHERE tat < {now} AND key IN (
    SELECT key FROM system_log_limit WHERE key >= %(key)s ORDER BY key LIMIT %(rows)s {skipping})
"""
"""Delete TATs that have passed, among the keys that follow a random one."""

WORDS = {
    "postgresql": {
        # Constant within a statement. A statement that waited for the row's lock has an earlier time, and is stricter.
        "now": "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint * 1000",
        "greatest": "greatest",
        "least": "least",
        "skipping": "FOR UPDATE SKIP LOCKED",
    },
    "sqlite": {"now": "%(now)s", "greatest": "max", "least": "min", "skipping": ""},
}

CLOCK_STEP_NS = 10 * 10**9
"""A TAT that is so much too late shows that the clock was set back.

A smaller difference may come from a statement that waited for the row's lock, because its time is that of its begin.
"""

TIDY_EVERY = 500
TIDY_ROWS = 1000
"""More rows than `TIDY_EVERY` requests add, so that the table does not grow."""


class DatabaseStore:
    """Keeps the TATs in the database of the alias."""

    is_remote = True

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        run_after_fork(self._begin_in_child)

    def take(self, key: bytes, rate: Rate, /) -> int:
        """Count one request of the key."""
        return self._ask(lambda worker: worker.take(key, rate))

    def check(self) -> None:
        """Query the table. Raises `StoreUnavailable`."""
        self._ask(lambda worker: worker.check())

    def close(self) -> None:
        """Close the connection, in its thread."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _ask(self, what: Any) -> int:
        with self._lock:
            if self._worker is None:
                self._worker = _Worker(self._alias)
            worker = self._worker
        future = worker.submit(what)
        try:
            return future.result(TIMEOUT_S)
        except Late:
            future.cancel()
            self._abandon(worker)
            raise StoreUnavailable(f"The database {self._alias!r} has not answered for {TIMEOUT_S} s.") from None
        except (DatabaseError, InterfaceError, OSError) as error:
            raise StoreUnavailable(f"The database {self._alias!r}: {type(error).__name__}.") from error

    def _abandon(self, worker: _Worker) -> None:
        """Stop using a worker that hangs. The next call creates another one, with a new connection."""
        with self._lock:
            if self._worker is worker:
                self._worker = None
        worker.end()

    def _begin_in_child(self) -> None:
        self._lock, self._worker = threading.Lock(), None


class _Worker:
    """A thread and its connection. The process does not wait for this thread when it exits, because it may hang."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._waiting: SimpleQueue[tuple[Any, Future[int]] | None] = SimpleQueue()
        self._connection: BaseDatabaseWrapper | None = None
        self._taken = 0
        threading.Thread(target=self._work, name="systemlog-limits", daemon=True).start()

    def submit(self, what: Any) -> Future[int]:
        """Have a function called in the thread. Return its future."""
        future: Future[int] = Future()
        self._waiting.put((what, future))
        return future

    def end(self) -> None:
        """End the thread, and close the connection, after the current call."""
        self._waiting.put(None)

    def take(self, key: bytes, rate: Rate) -> int:
        """Count one request."""
        interval, tolerance = rate
        beyond = tolerance + CLOCK_STEP_NS
        times = {"interval": interval, "tolerance": tolerance, "beyond": beyond, "now": time.time_ns()}
        row = self._execute(TAKE, {"key": key, **times})
        self._taken += 1
        if row is not None:
            return int(row[0]) if row[0] >= 0 else -interval
        row = self._execute(ASK, {"key": key, **times})
        ahead = int(row[0]) if row is not None else tolerance
        # Negative even if time has passed, because the request was refused.
        return -max(1, min(ahead, beyond) + interval - tolerance)

    def check(self) -> int:
        """Look up a key that does not exist."""
        self._execute(ASK, {"key": bytes(KEY_BYTES), "now": time.time_ns()})
        return 0

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            what, future = item
            if not future.set_running_or_notify_cancel():
                continue  # its caller has given up
            try:
                future.set_result(self._run(what))
            except Exception as error:  # noqa: BLE001  (raised in the caller)
                future.set_exception(error)
            if self._taken >= TIDY_EVERY:
                self._taken = 0
                self._tidy()
        self._close()

    def _run(self, what: Any) -> int:
        try:
            given: int = what(self)
        except (OperationalError, InterfaceError):
            if self._connection is None or self._connection.vendor == "sqlite":
                raise
            # The server may have closed an idle connection, so the statement is tried again on a new one.
            self._close()
            given = what(self)
        return given

    def _tidy(self) -> None:
        with suppress(Error):
            self._execute(TIDY, {"key": secrets.token_bytes(KEY_BYTES), "now": time.time_ns(), "rows": TIDY_ROWS})

    def _execute(self, statement: str, values: dict[str, Any]) -> Any:
        if self._connection is None:
            self._connection = _connect(self._alias)
        with self._connection.cursor() as cursor:
            cursor.execute(statement.format(**WORDS[self._connection.vendor]), values)
            return cursor.fetchone() if cursor.description else None

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


def _connect(alias: str) -> BaseDatabaseWrapper:
    """Return a new connection beside that of Django, with shorter timeouts. Raises the exceptions of connecting."""
    known = connections[alias]
    options = {**known.settings_dict["OPTIONS"]}
    if known.vendor == "postgresql":
        options |= {"connect_timeout": 1, "tcp_user_timeout": 1000}
        options.pop("pool", None)
        options.pop("server_side_binding", None)
    else:
        options |= {"timeout": TIMEOUT_S}
    settings_dict = {**known.settings_dict, "OPTIONS": options, "AUTOCOMMIT": True, "CONN_MAX_AGE": None}
    connection: BaseDatabaseWrapper = type(known)(settings_dict, alias)
    compat.connect(connection)
    return connection
