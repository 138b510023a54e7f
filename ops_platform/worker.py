"""gunicorn's threaded worker, with three differences.

1. It can be stopped while it starts. gunicorn sends SIGTERM to a worker once and waits for `graceful_timeout`. A worker
   that gets the signal between its fork and the installation of its signal handlers runs the master's handlers, and the
   signal is lost; a worker that is importing the application finishes the import first.
2. Slow clients do not hold threads. In gunicorn, a client that stops in the middle of a request, or sends or reads byte
   by byte, holds a thread without limit. A client that sends nothing, or less body than announced, holds one for 5 s. A
   client that does not close its side holds the accepting thread for 2 s.
3. A worker whose master was killed closes the port at once. In gunicorn it keeps the port until its requests end, and a
   new server cannot start.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from functools import partial
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from gunicorn.workers.gthread import TConn, ThreadWorker

from ops_platform.closing import Lingering
from ops_platform.compat import (
    closes_by,
    closes_itself,
    deferred,
    discard_body,
    is_new,
    read_ahead,
    stop_accepting,
    takes_over_continue,
    wait_for_data,
)
from ops_platform.continuing import ExpectedBody
from ops_platform.patience import HEAD_GRACE_S, PatientSocket, end_at_once

UNREAD_S = 10
"""TCP_USER_TIMEOUT: how long sent data may stay unacknowledged before the connection is closed."""

CROWDED_DRAIN_S = 0.01
"""How long a crowded worker waits, after the response, for the rest of a body before it closes the connection."""

HEAD_S = 20
"""Timeout of a request's head, from its first byte to its last."""

KILL_AFTER_S = 5
"""A worker without a master is killed this long after its `graceful_timeout`."""

# How long a thread waits for data. Then a connection without a first byte waits without a thread, like idle ones, and
# a connection whose response is sent and whose body is incomplete is closed.
wait_for_data(0.1)

RESERVED_THREADS = 2
"""The worker is crowded if no more threads than these are free. `ops_platform.admission` keeps them for probes."""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's `gthread` worker with the differences that the module describes."""

    def init_process(self) -> None:
        """Start the worker, in the new process."""
        self._lingering = Lingering()
        self._handled: set[TConn] = set()
        """Connections that occupy a thread."""
        self._arriving: WeakKeyDictionary[TConn, float] = WeakKeyDictionary()
        """Connections whose request head is incomplete, with the time of its first bytes."""
        super().init_process()

    def handle(self, conn: TConn) -> object:
        """Answer a request in a thread of the pool, if its head has arrived."""
        if is_new(conn):
            self._take_over(conn)
        if isinstance(conn.sock, PatientSocket):
            if not self._has_arrived(conn):
                return self._wait_for_more(conn)
            conn.sock.begin(HEAD_GRACE_S)
        self._handled.add(conn)
        try:
            return super().handle(conn)
        finally:
            self._handled.discard(conn)

    def _take_over(self, conn: TConn) -> None:
        closes_by(conn, partial(self._close, conn))
        if self.cfg.is_ssl or isinstance(conn.sock, PatientSocket):
            return
        conn.sock = PatientSocket.take_over(conn.sock, self._is_crowded)
        if conn.sock.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
            # This limits how long data may stay in the send buffer after the thread is free again.
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S * 1000)

    def _has_arrived(self, conn: TConn) -> bool:
        """Return whether the head of the next request has arrived. Until then the connection needs no thread."""
        if not conn.sock.has_whole_head(read_ahead(conn)):
            return False
        self._arriving.pop(conn, None)
        return True

    def _wait_for_more(self, conn: TConn) -> object:
        """Let the connection wait without a thread, or close it if its head takes longer than `HEAD_S`."""
        if not conn.sock.is_arriving:
            return deferred()
        since = self._arriving.setdefault(conn, time.monotonic())
        return deferred() if time.monotonic() - since < HEAD_S else False

    def _is_crowded(self) -> bool:
        threads: int = self.cfg.threads
        return len(self._handled) >= max(1, threads - RESERVED_THREADS)

    def handle_request(self, req: Any, conn: TConn) -> object:
        """Answer a request whose head has been read."""
        if isinstance(conn.sock, PatientSocket):
            conn.sock.begin()
        if takes_over_continue(req):
            req.body.reader = ExpectedBody(req, conn.sock)
        stays = super().handle_request(req, conn)
        if stays and self._is_crowded():
            # gunicorn waits longer for the rest of a body that the application has not read.
            return discard_body(conn, time.monotonic() + CROWDED_DRAIN_S)
        return stays

    def _close(self, conn: TConn, *, graceful: bool = False) -> None:
        closes_itself(conn)
        if getattr(conn.sock, "is_left_unread", False):
            end_at_once(conn.sock)
        elif graceful:
            self._lingering.close(conn.sock)
        else:
            conn.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM: exit at once if the worker is not serving yet."""
        if not self.booted:
            os._exit(0)
        super().handle_exit(sig, frame)

    def is_parent_alive(self) -> bool:
        """Return whether the master lives. Without it, close the port and stop as after SIGTERM.

        Without a master nobody kills a worker that takes too long, so an alarm does.
        """
        if super().is_parent_alive():
            return True
        self.alive = False
        stop_accepting(self)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self.cfg.graceful_timeout + KILL_AFTER_S)
        return False


def lose_no_sigterm() -> None:
    """Make children of this process exit on SIGTERM from their first instruction on (for gunicorn's `on_starting`)."""
    master = os.getpid()

    def hold() -> None:
        if os.getpid() == master:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def release_in_child() -> None:
        if os.getppid() == master:
            signal.signal(signal.SIGTERM, _end)
            release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=release_in_child)


def _end(*_: Any) -> None:
    os._exit(0)
