"""gunicorn's threaded worker, which here can be stopped while it starts, and is not held up by clients that stall.

gunicorn sends SIGTERM to a worker once, and waits `graceful_timeout`. A worker that gets it between its fork and its
own signal handlers hands it to the handlers of the master, whose copy it is, and so loses it; one that gets it while
the application is imported finishes that first. Either way a server that is stopped as it starts would take long.

A client that stops in the middle of a request, sends it byte by byte, or reads its answer so or not at all would hold a
thread for as long as it likes; one that sends nothing, or less than it announced when the answer is out already, for
5 s; and one that does not close its end the thread that accepts, for 2 s.

A worker whose master was killed would keep the port from a new server for as long as a request takes.
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

from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from ops_platform.closing import Lingering
from ops_platform.compat import deferred, read_ahead, takes_over_continue
from ops_platform.continuing import ExpectedBody
from ops_platform.patience import HEAD_GRACE_S, PatientSocket, end_at_once

UNREAD_S = 10
"""How long a client may leave unread what was sent to it, before its connection is ended and its thread is free."""

CROWDED_DRAIN_S = 0.01
"""How long a crowded worker waits, after the answer, for the rest of a body; then it closes the connection."""

HEAD_S = 20
"""How long the line and the headers of a request may take, from their first byte to their last."""

KILL_AFTER_S = 5
"""A worker without a master is killed so long after its `graceful_timeout`."""

# In a thread; then a connection waits for its first byte among those that wait for their next request, and one whose
# body is not all there, though the answer is, is closed.
gthread.DEFAULT_WORKER_DATA_TIMEOUT = 0.1

RESERVED_THREADS = 2
"""With no more than these free, the worker is crowded (`ops_platform.admission` keeps as many for the probes)."""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`gthread`, but before it serves, SIGTERM ends it at once; and it is patient in other places."""

    def init_process(self) -> None:
        """Begin, in the new process."""
        self._lingering = Lingering()
        self._handled: set[TConn] = set()
        """Connections that hold a thread now."""
        self._arriving: WeakKeyDictionary[TConn, float] = WeakKeyDictionary()
        """Since when those are known of whose next request is not all there."""
        super().init_process()

    def handle(self, conn: TConn) -> object:
        """Answer a request, in a thread of the pool; and have the connection closed by who may wait for that."""
        if not conn.initialized:
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
        conn.close = partial(self._close, conn)
        if self.cfg.is_ssl or isinstance(conn.sock, PatientSocket):
            return
        conn.sock = PatientSocket.take_over(conn.sock, self._is_crowded)
        if conn.sock.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
            # For what is still to be sent when the thread is free again.
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S * 1000)

    def _has_arrived(self, conn: TConn) -> bool:
        """Whether the head of the next request is there; until then the connection needs no thread."""
        if not conn.sock.has_whole_head(read_ahead(conn)):
            return False
        self._arriving.pop(conn, None)
        return True

    def _wait_for_more(self, conn: TConn) -> object:
        """Have the connection wait among those without a thread, unless its request has been arriving for too long."""
        if not conn.sock.is_arriving:
            return deferred()
        since = self._arriving.setdefault(conn, time.monotonic())
        return deferred() if time.monotonic() - since < HEAD_S else False

    def _is_crowded(self) -> bool:
        threads: int = self.cfg.threads
        return len(self._handled) >= max(1, threads - RESERVED_THREADS)

    def handle_request(self, req: Any, conn: TConn) -> object:
        """Answer a request that has been read up to its body, which a client may keep back until it is asked for."""
        if isinstance(conn.sock, PatientSocket):
            conn.sock.begin()
        if takes_over_continue(req):
            req.body.reader = ExpectedBody(req, conn.sock)
        stays = super().handle_request(req, conn)
        if stays and self._is_crowded():
            # gunicorn waits longer for the rest of a body that nobody has read.
            return bool(conn.parser.finish_body(deadline=time.monotonic() + CROWDED_DRAIN_S))
        return stays

    def _close(self, conn: TConn, *, graceful: bool = False) -> None:
        del conn.close  # or it would wait for the collector of cycles
        if getattr(conn.sock, "is_left_unread", False):
            end_at_once(conn.sock)
        elif graceful:
            self._lingering.close(conn.sock)
        else:
            conn.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer SIGTERM."""
        if not self.booted:
            os._exit(0)
        super().handle_exit(sig, frame)

    def is_parent_alive(self) -> bool:
        """See whether the master is there; without it, give the port back at once and end like after SIGTERM.

        gunicorn keeps the port until the last request has ended, and no master is there to kill what takes too long.
        """
        if super().is_parent_alive():
            return True
        self.alive = False
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self.cfg.graceful_timeout + KILL_AFTER_S)
        return False


def lose_no_sigterm() -> None:
    """For gunicorn's `on_starting`: a child of this process ends by SIGTERM from its first instruction on."""
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
