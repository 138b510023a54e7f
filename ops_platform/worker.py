"""gunicorn's threaded worker, which here can be stopped while it starts, and is not held up by clients that stall.

gunicorn sends SIGTERM to a worker once, and waits `graceful_timeout`. A worker that gets it between its fork and its
own signal handlers hands it to the handlers of the master, whose copy it is, and so loses it; one that gets it while
the application is imported finishes that first. Either way a server that is stopped as it starts would take long.

A client that stops in the middle of a request would hold a thread for ever; one that sends nothing, or less than it
announced when the answer is out already, for 5 s; one that does not read its answer, for as long as it likes; and one
that does not close its end the thread that accepts, for 2 s.

A worker whose master was killed would keep the port from a new server for as long as a request takes.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from functools import partial
from types import FrameType
from typing import Any

from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from ops_platform.closing import Lingering
from ops_platform.compat import takes_over_continue
from ops_platform.continuing import ExpectedBody

STALL_S = 10
"""How long a request may pause while it arrives; the log API asks a second time, so its uploads may twice as long."""

UNREAD_S = 10
"""How long a client may leave unread what was sent to it, before its connection is ended and its thread is free."""

KILL_AFTER_S = 5
"""A worker without a master is killed so long after its `graceful_timeout`."""

# In a thread; then a connection waits for its first byte among those that wait for their next request, and one whose
# body is not all there, though the answer is, is closed.
gthread.DEFAULT_WORKER_DATA_TIMEOUT = 0.1

# By the kernel: gunicorn sets the timeouts of Python's own, and forgets them, as it goes.
RECEIVE_TIMEOUT = struct.pack("@ll", STALL_S, 0)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`gthread`, but before it serves, SIGTERM ends it at once; and it is patient in other places."""

    def init_process(self) -> None:
        """Begin, in the new process."""
        self._lingering = Lingering()
        super().init_process()

    def handle(self, conn: TConn) -> object:
        """Answer a request, in a thread of the pool; and have the connection closed by who may wait for that."""
        if not conn.initialized:
            conn.close = partial(self._close, conn)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, RECEIVE_TIMEOUT)
            if conn.sock.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
                # SO_SNDTIMEO does not do it: gunicorn sends file by file, each with a time of its own.
                conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S * 1000)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> object:
        """Answer a request that has been read up to its body, which a client may keep back until it is asked for."""
        if takes_over_continue(req):
            req.body.reader = ExpectedBody(req, conn.sock)
        return super().handle_request(req, conn)

    def _close(self, conn: TConn, *, graceful: bool = False) -> None:
        del conn.close  # or it would wait for the collector of cycles
        if graceful:
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
