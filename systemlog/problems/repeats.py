"""Counts 4xx answers that one client gets again and again, in place of a log record for each.

Anybody may send requests that are refused, hundreds a second, and each record costs disk, journal and table. So the
first of a kind within a minute are logged one by one, and the rest of that minute by one record that has their number.
The counts are of one process. A 5xx is never counted in this way: each is logged.
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
"""A client of IPv6 usually has all addresses of such a network."""


class Kind(NamedTuple):
    """What is counted together: answers of one status and problem type to one client, and to one user if known."""

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
    """The address of the peer."""
    return str(request.META.get("REMOTE_ADDR", ""))


class Repeats:
    """The answers of the last minute, by kind."""

    WINDOW_S = 60.0
    MAX_KINDS = 1000
    """Kinds that are told apart at once; what comes beyond them is counted by its status alone."""

    def __init__(self) -> None:
        self.address_of: Callable[[HttpRequest], str] = remote_address
        """How the address of a client is found; a project behind proxies may name a function of its own."""
        self._counts: dict[Kind, _Count] = {}
        """The oldest first."""
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def may_log(
        self, request: HttpRequest, *, status: int, slug: str | None, user_id: str | None, level: int, most: int
    ) -> bool:
        """Whether this answer is to be logged: the first `most` of its kind in a minute are; the others are counted."""
        kind = Kind(_network_of(self.address_of(request)), status, slug, user_id)
        now = monotonic()
        with self._lock:
            over = list(self._take_over(now))
            if kind not in self._counts and len(self._counts) >= self.MAX_KINDS:
                kind = Kind("", status, None, None)
            count = self._counts.setdefault(kind, _Count(now + self.WINDOW_S, level))
            is_logged = count.logged < most
            if is_logged:
                count.logged += 1
            else:
                count.counted += 1
                self._start_timer()
        _tell_apart(over)
        return is_logged

    def tell_all(self) -> None:
        """Log what was counted so far, without waiting for the minute to end."""
        with self._lock:
            over = list(self._take_over(float("inf")))
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        _tell_apart(over)

    def run_after_fork(self) -> None:
        """Count anew in a forked process: what its parent counted, its parent tells."""
        self._counts, self._timer, self._lock = {}, None, threading.Lock()

    def _take_over(self, now: float) -> Iterator[tuple[Kind, _Count]]:
        """Remove the kinds whose minute is over, and give them."""
        while self._counts:
            kind = next(iter(self._counts))
            if self._counts[kind].until > now:
                return
            yield kind, self._counts.pop(kind)

    def _start_timer(self) -> None:
        """Have what is counted told although no other answer comes."""
        if self._timer is None:
            self._timer = threading.Timer(self.WINDOW_S, self._on_timer)
            self._timer.daemon = True
            try:
                self._timer.start()
            except RuntimeError:  # no thread is to be had; the next answer tells, or the end of the process
                self._timer = None

    def _on_timer(self) -> None:
        with self._lock:
            self._timer = None
            over = list(self._take_over(monotonic()))
            if any(count.counted for count in self._counts.values()):
                self._start_timer()
        _tell_apart(over)


def _tell(over: list[tuple[Kind, _Count]]) -> None:
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


_tell_apart = carried(None, _tell)
"""For no request: the one whose answer happens to be the first after the minute has nothing to do with the others."""


def _network_of(address: str) -> str:
    """The address, cut to its network where the client can choose the rest of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket has none
        return address[:MAX_ADDRESS_CHARACTERS]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_CLIENT_BITS), strict=False))


repeats = Repeats()
"""Those of this process."""

atexit.register(repeats.tell_all)
run_after_fork(repeats.run_after_fork)
