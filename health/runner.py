"""Running probes and collectors, each on a long-lived daemon thread, one run at a time, with a deadline.

A request needs results that are not older than CACHE_S, and waits for the probes that must run again; requests that
come at the same time wait for the same run. A probe that hangs costs one thread, and delays one request by the
deadline. While it hangs, its result is a failure, and no request waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait

from django.core.signals import setting_changed
from django.db import connections

from health.conf import NAME, conf
from health.forking import run_after_fork
from health.metrics import gauges
from health.metrics.collectors import configured_collectors
from health.probes.configuration import ConfiguredProbe, configured_probes
from health.states import Result, State

logger = logging.getLogger("health.probes")

Run = Future[None]
"""One run of a probe. The future is done when the result is there."""

MARGIN_S = 0.001
"""A waiting request wakes up this long after the deadline, never before it."""


class ProbeThread:
    """One probe, its thread and its latest result.

    `announce` is called with each result, and with whether the state has changed.
    """

    def __init__(
        self,
        probe: ConfiguredProbe,
        announce: Callable[[str, Result, bool], None],
        *,
        deadline_s: float,
        cache_s: float,
    ) -> None:
        self.probe = probe
        self._tell = announce
        self._deadline_s = deadline_s
        self._cache_s = cache_s
        self._lock = threading.Lock()
        self._orders: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._running: Run | None = None
        self._started = 0.0
        self._latest: Result | None = None
        self._announced = State.PASS
        self.since: float | None = None
        """Time of the first result in the current state, on the monotonic clock. None before the first result."""

    def start(self, now: float) -> Run | None:
        """Start a run if one is needed, and return the run to wait for.

        Return None if the latest result is still fresh, or if the run in progress is overdue.
        """
        with self._lock:
            if self._running is not None:
                return None if self._overdue(now) else self._running
            if self._latest is not None and now - self._latest.finished < self._cache_s:
                return None
            run: Run = Future()
            run.set_running_or_notify_cancel()  # a waiting request that gives up must not cancel it
            self._running, self._started = run, now
            self._order(run)
            return run

    def deadline(self) -> float:
        """Return the time on the monotonic clock at which the run in progress becomes overdue."""
        return self._started + self._deadline_s

    def result(self, now: float) -> Result | None:
        """Return the latest result. Returns a failure while a run is overdue, None before the first run has ended."""
        with self._lock:
            if self._running is None or not self._overdue(now):
                return self._latest
            result = Result(State.FAIL, f"no answer for {now - self._started:.1f} s", now, now - self._started)
        self._announce(result)
        return result

    def stop(self) -> None:
        """End the thread as soon as it has nothing to run."""
        self._orders.put(None)

    def _overdue(self, now: float) -> bool:
        return now >= self._started + self._deadline_s

    def _order(self, run: Run) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"health {self.probe.name}", daemon=True)
            self._thread.start()
        self._orders.put(run)

    def _work(self) -> None:
        while (run := self._orders.get()) is not None:
            result = self._run()
            with self._lock:
                self._latest, self._running = result, None
            run.set_result(None)
            self._announce(result)

    def _run(self) -> Result:
        try:
            try:
                warning = self.probe.run()
            finally:
                connections.close_all()  # of this thread: else the pool would have one less
            if warning is not None and not isinstance(warning, str):  # `return False` must not pass
                raise TypeError(f"a probe returns None or a text, not {warning!r:.50}")
            state, detail = (State.WARN, warning) if warning else (State.PASS, "")
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001  (the probe fails, this thread goes on)
            state, detail = State.FAIL, f"{type(error).__name__}: {error}"
        now = time.monotonic()
        took_s = now - self._started
        if took_s > self._deadline_s:
            state, detail = State.FAIL, f"answered after {took_s:.1f} s; allowed are {self._deadline_s} s"
        return Result(state, detail, now, took_s)

    def _announce(self, result: Result) -> None:
        with self._lock:
            before, self._announced = self._announced, result.state
            if self.since is None or before is not result.state:
                self.since = result.finished
        self._tell(self.probe.name, result, before is not result.state)


class Runner:
    """All probes, or all collectors, of this process."""

    def __init__(self, threads: Sequence[ProbeThread]) -> None:
        self.threads = threads

    def refresh(self) -> None:
        """Run the probes whose results are too old, and wait until they have ended or the deadline is over."""
        runs, seconds = self._start()
        if runs:
            wait(runs, timeout=seconds)

    async def arefresh(self) -> None:
        """Do the same without blocking the event loop."""
        runs, seconds = self._start()
        if runs:
            await asyncio.wait([asyncio.wrap_future(run) for run in runs], timeout=seconds)

    def results(self) -> list[tuple[ConfiguredProbe, Result | None]]:
        """Return each probe with its latest result. No probe is run."""
        now = time.monotonic()
        return [(thread.probe, thread.result(now)) for thread in self.threads]

    def since(self) -> dict[str, float]:
        """Return the time at which each probe entered its current state, by name, on the monotonic clock."""
        return {thread.probe.name: thread.since for thread in self.threads if thread.since is not None}

    def stop(self) -> None:
        """End all threads. A thread whose probe hangs ends when the probe returns."""
        for thread in self.threads:
            thread.stop()

    def _start(self) -> tuple[list[Run], float]:
        now = time.monotonic()
        runs, until = [], now
        for thread in self.threads:
            if (run := thread.start(now)) is not None:
                runs.append(run)
                until = max(until, thread.deadline())
        return runs, until - now + MARGIN_S


def announce_probe(name: str, result: Result, is_new: bool) -> None:
    """Set the gauges of a probe, and log a change of its state."""
    gauges.show_result(name, result)
    if is_new:
        _log("A health probe has changed its state.", "health.probe_changed", result, probe=name)


def announce_collector(name: str, result: Result, is_new: bool) -> None:
    """Set the gauge of a collector, and log a change of its state."""
    gauges.show_collector(name, result)
    if is_new:
        _log("A collector of metrics has changed its state.", "health.collector_changed", result, collector=name)


def _log(message: str, action: str, result: Result, **what: str) -> None:
    level = logging.INFO if result.state is State.PASS else logging.WARNING
    logger.log(level, message, extra={"action": action, "state": result.state.value, "detail": result.detail, **what})


_made: dict[str, Runner] = {}
_lock = threading.Lock()


def runner() -> Runner:
    """Return the runner of all probes. It is created on first use, and again after a fork or a change of settings."""
    return _made.get("probes") or _make("probes", configured_probes, announce_probe)


def collecting() -> Runner:
    """Return the runner of all collectors. A collector that passes has its metrics in `probe.run.families`."""
    return _made.get("collectors") or _make("collectors", configured_collectors, announce_collector)


def _make(
    kind: str, configured: Callable[[], Iterable[ConfiguredProbe]], announce: Callable[[str, Result, bool], None]
) -> Runner:
    with _lock:
        if kind not in _made:
            limits = {"deadline_s": conf().DEADLINE_S, "cache_s": conf().CACHE_S}
            _made[kind] = Runner([ProbeThread(probe, announce, **limits) for probe in configured()])
        return _made[kind]


@run_after_fork
def _begin_in_child() -> None:
    global _lock  # noqa: PLW0603  (another thread may have held it when the process forked)
    _made.clear()
    _lock = threading.Lock()


def _forget(*, setting: str, **_: object) -> None:
    if setting in (NAME, "DATABASES"):
        while _made:
            _made.popitem()[1].stop()


setting_changed.connect(_forget)
