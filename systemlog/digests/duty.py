"""The duty of the lander: it seals each hour some minutes after its end, slowly, so that landing goes on as fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from systemlog.conf import conf
from systemlog.digests.chain import DigestsBusy
from systemlog.digests.frontier import HoursInUse
from systemlog.digests.notes import SEALED_AFTER
from systemlog.digests.sealing import Stopped, seal
from systemlog.landing import duties

INTERVAL_S = 60.0
SHARE = 0.02
"""The part of its time for which the thread keeps the process from landing and from requests."""

LARGEST_SHARE = 0.5
IN_TIME = timedelta(minutes=30)
"""A larger part is taken where an hour would not be sealed within this time."""


def register() -> None:
    """Have the lander seal by the clock."""
    duties.register(duties.Duty("digests", interval, run))


def interval() -> float | None:
    """Return how often the lander looks for hours to seal, None without a key."""
    return INTERVAL_S if conf().DIGEST_KEY else None


def run(stopping: Callable[[], bool]) -> None:
    """Seal what has ended by now. Another process that seals at the moment does it in place of this one."""
    with suppress(DigestsBusy, HoursInUse, Stopped):
        seal(datetime.now(UTC) - SEALED_AFTER, wait=False, tries=3, pace=Throttle(stopping))


class Throttle:
    """Sleeps between pages, so that the thread takes a part of its time only."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._began = time.monotonic()
        self._page_began = time.thread_time()

    def __call__(self, records: int) -> None:
        """Rest after a page. Raises `Stopped` when the lander ends."""
        if self._stopping():
            raise Stopped
        late = (time.monotonic() - self._began) / IN_TIME.total_seconds()
        share = min(LARGEST_SHARE, max(SHARE, SHARE * late))
        busy = time.thread_time() - self._page_began
        time.sleep(busy / share - busy)
        self._page_began = time.thread_time()
