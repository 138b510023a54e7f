"""Limits the log records of 4xx responses that one client gets repeatedly.

Anyone can send hundreds of refused requests per second, and each record takes space in the journal and the database.
Therefore only the first responses of a kind within a minute are logged one by one. One record with their number stands
for the rest of that minute. Each process counts on its own. Every 5xx is logged.
"""

from __future__ import annotations

import atexit
import dataclasses
import ipaddress
import logging
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import NamedTuple

from django.http import HttpRequest

from systemlog.correlation.context import carried
from systemlog.forking import run_after_fork

logger = logging.getLogger("django.request")

MAX_ADDRESS_CHARACTERS = 45
IPV6_CLIENT_BITS = 64
"""One IPv6 client usually has all addresses of a /64 network."""


class Kind(NamedTuple):
    """The key of a count: the client's address, the status, the problem type, and the user if known."""

    address: str
    status: int
    slug: str | None
    user_id: str | None


@dataclasses.dataclass(slots=True)
class _Count:
    until: float
    level: int
    logged: int = 0
    counted: int = 0


def remote_address(request: HttpRequest) -> str:
    """Return the address of the peer, REMOTE_ADDR."""
    return str(request.META.get("REMOTE_ADDR", ""))


class Repeats:
    """The counts of the 4xx responses of the last minute, by kind."""

    WINDOW_S = 60.0
    MAX_KINDS = 1000
    """The number of kinds that are counted separately. Responses of further kinds are counted by status alone."""

    def __init__(self) -> None:
        self.address_of: Callable[[HttpRequest], str] = remote_address
        """Returns the address of a request's client. A project behind proxies may set a function of its own."""
        self._counts: dict[Kind, _Count] = {}
        """The counts, the oldest first."""
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def may_log(
        self, request: HttpRequest, *, status: int, slug: str | None, user_id: str | None, level: int, most: int
    ) -> bool:
        """Return whether this response gets a record of its own, and count it.

        True for the first `most` responses of its kind in a minute. `level` is the level of the record that stands for
        the others.
        """
        kind = Kind(_network_of(self.address_of(request)), status, slug, user_id)
        now = monotonic()
        with self._lock:
            over = list(self._take_finished(now))
            if kind not in self._counts and len(self._counts) >= self.MAX_KINDS:
                kind = Kind("", status, None, None)
            count = self._counts.setdefault(kind, _Count(now + self.WINDOW_S, level))
            is_logged = count.logged < most
            timer = None
            if is_logged:
                count.logged += 1
            else:
                count.counted += 1
                timer = self._new_timer()
        self._start(timer)
        _log_counts(over)
        return is_logged

    def flush(self) -> None:
        """Log all counts now, without waiting for their minutes to end."""
        with self._lock:
            over = list(self._take_finished(float("inf")))
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        _log_counts(over)

    def run_after_fork(self) -> None:
        """Begin with empty counts in a forked process, because the parent logs its own."""
        self._counts, self._timer, self._lock = {}, None, threading.Lock()

    def _take_finished(self, now: float) -> Iterator[tuple[Kind, _Count]]:
        """Remove and yield the counts whose minute is over."""
        while self._counts:
            kind = next(iter(self._counts))
            if self._counts[kind].until > now:
                return
            yield kind, self._counts.pop(kind)

    def _new_timer(self) -> threading.Timer | None:
        """Return a timer for `_start`, which logs the counts if no other response does so before.

        None if there is a timer. The caller holds the lock.
        """
        if self._timer is not None:
            return None
        self._timer = threading.Timer(self.WINDOW_S, self._on_timer)
        self._timer.daemon = True
        return self._timer

    def _start(self, timer: threading.Timer | None) -> None:
        """Start the timer.

        The caller does not hold the lock: under gevent, starting a thread lets other requests run, and they would wait
        for the lock without end if it was made before gevent replaced the locks.
        """
        if timer is None:
            return
        try:
            timer.start()
        except RuntimeError:  # no thread can start: the next response or the end of the process logs the counts
            with self._lock:
                self._timer = None

    def _on_timer(self) -> None:
        with self._lock:
            self._timer = None
            over = list(self._take_finished(monotonic()))
            timer = self._new_timer() if any(count.counted for count in self._counts.values()) else None
        self._start(timer)
        _log_counts(over)


def _log_all(over: list[tuple[Kind, _Count]]) -> None:
    for kind, count in over:
        if count.counted:
            logger.log(
                count.level,
                "%d more answers of %d to %s within a minute",
                count.counted,
                kind.status,
                kind.address or "other addresses",
                extra={
                    "action": "problem.repeated",
                    "status_code": kind.status,
                    "problem": kind.slug,
                    "user_id": kind.user_id,
                    "address": kind.address or None,
                    "count": count.counted,
                },
            )


_log_counts = carried(None, _log_all)
"""Logs without a correlation: the request that happens to come first after the minute has nothing to do with them."""


def _network_of(address: str) -> str:
    """Return the IPv4 address, or the network of the IPv6 address, within which a client can change its address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket has no address
        return address[:MAX_ADDRESS_CHARACTERS]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_CLIENT_BITS), strict=False))


repeats = Repeats()
"""The counts of this process."""

atexit.register(repeats.flush)
run_after_fork(repeats.run_after_fork)
