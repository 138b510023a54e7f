"""The lander's duty to seal: each hour, some minutes after its end, and slowly, so that landing stays as fast."""

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
"""The part of its time for which the sealing thread is busy, and so delays landing and requests."""

LARGEST_SHARE = 0.5
IN_TIME = timedelta(minutes=30)
"""The part grows towards `LARGEST_SHARE` once a run takes longer than this."""


def register() -> None:
    """Register the duty with the lander."""
    duties.register(duties.Duty("digests", interval, run))


def interval() -> float | None:
    """Return how often the lander looks for hours to seal, in seconds, or None without a key."""
    return INTERVAL_S if conf().DIGEST_KEY else None


def run(stopping: Callable[[], bool]) -> None:
    """Seal the hours that have ended. If another process is sealing at the moment, leave it to that process."""
    with suppress(DigestsBusy, HoursInUse, Stopped):
        seal(datetime.now(UTC) - SEALED_AFTER, wait=False, tries=3, pace=Throttle(stopping))


class Throttle:
    """Sleeps between pages, so that the thread is busy for only a part of its time."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._began = time.monotonic()
        self._page_began = time.thread_time()

    def __call__(self, records: int) -> None:
        """Sleep after a page. Raises `Stopped` if the lander is ending."""
        if self._stopping():
            raise Stopped
        late = (time.monotonic() - self._began) / IN_TIME.total_seconds()
        share = min(LARGEST_SHARE, max(SHARE, SHARE * late))
        busy = time.thread_time() - self._page_began
        time.sleep(busy / share - busy)
        self._page_began = time.thread_time()
