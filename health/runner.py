"""Runs probes and collectors: each on a long-lived daemon thread of its own, one run at a time, under a hard deadline.

A request asks for results that are not older than the cache allows, and waits for what must run anew; many
requests wait for the same run. One that hangs costs one thread and the deadline once: as long as it hangs,
its result is a failure at once, and nobody waits for it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait

from django.core.signals import setting_changed
from django.db import connections

from health.conf import NAME, conf
from health.metrics import gauges
from health.metrics.collectors import configured_collectors
from health.probes.configuration import ConfiguredProbe, configured_probes
from health.states import Result, State

logger = logging.getLogger("health.probes")

Run = Future[None]
"""One run of a probe under way: done when its result is there."""

MARGIN_S = 0.001
"""A waiter wakes this long after the deadline, never before it."""


class ProbeThread:
    """One probe, its thread and its latest result; `announce` is told each result, and whether its state is new."""

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
        self._flight: Run | None = None
        self._started = 0.0
        self._latest: Result | None = None
        self._announced = State.PASS

    def start(self, now: float) -> Run | None:
        """The run to wait for; None where the latest result is still good, or the run is overdue."""
        with self._lock:
            if self._flight is not None:
                return None if self._overdue(now) else self._flight
            if self._latest is not None and now - self._latest.finished < self._cache_s:
                return None
            flight: Run = Future()
            flight.set_running_or_notify_cancel()  # a waiter that goes away must not cancel it for the others
            self._flight, self._started = flight, now
            self._order(flight)
            return flight

    def deadline(self) -> float:
        """When, on the monotonic clock, the run under way is overdue."""
        return self._started + self._deadline_s

    def result(self, now: float) -> Result | None:
        """The latest result; a failure while a run is overdue; None before the first run has ended."""
        with self._lock:
            if self._flight is None or not self._overdue(now):
                return self._latest
            result = Result(State.FAIL, f"no answer for {now - self._started:.1f} s", now, now - self._started)
        self._announce(result)
        return result

    def stop(self) -> None:
        """Let the thread end when it has nothing to run."""
        self._orders.put(None)

    def _overdue(self, now: float) -> bool:
        return now >= self._started + self._deadline_s

    def _order(self, flight: Run) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"health {self.probe.name}", daemon=True)
            self._thread.start()
        self._orders.put(flight)

    def _work(self) -> None:
        while (flight := self._orders.get()) is not None:
            result = self._run()
            with self._lock:
                self._latest, self._flight = result, None
            flight.set_result(None)
            self._announce(result)

    def _run(self) -> Result:
        try:
            try:
                warning = self.probe.run()
            finally:
                connections.close_all()  # of this thread: what it kept would be missing elsewhere
            if warning is not None and not isinstance(warning, str):  # `return False` must not pass
                raise TypeError(f"a probe returns None or a text, not {warning!r:.50}")
            state, detail = (State.WARN, warning) if warning else (State.PASS, "")
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001  (its finding, no end of ours)
            state, detail = State.FAIL, f"{type(error).__name__}: {error}"
        now = time.monotonic()
        took_s = now - self._started
        if took_s > self._deadline_s:
            state, detail = State.FAIL, f"answered after {took_s:.1f} s; allowed are {self._deadline_s} s"
        return Result(state, detail, now, took_s)

    def _announce(self, result: Result) -> None:
        with self._lock:
            before, self._announced = self._announced, result.state
        self._tell(self.probe.name, result, before is not result.state)


class Runner:
    """All probes, or all collectors, of this process."""

    def __init__(self, lanes: Sequence[ProbeThread]) -> None:
        self.lanes = lanes

    def refresh(self) -> None:
        """Have a good result of every probe, or the deadline behind us."""
        flights, seconds = self._start()
        if flights:
            wait(flights, timeout=seconds)

    async def arefresh(self) -> None:
        """The same on an event loop, which goes on with its other work meanwhile."""
        flights, seconds = self._start()
        if flights:
            await asyncio.wait([asyncio.wrap_future(flight) for flight in flights], timeout=seconds)

    def results(self) -> list[tuple[ConfiguredProbe, Result | None]]:
        """What is known now, without running anything."""
        now = time.monotonic()
        return [(lane.probe, lane.result(now)) for lane in self.lanes]

    def stop(self) -> None:
        """Let all threads end; one that hangs ends when its probe returns."""
        for lane in self.lanes:
            lane.stop()

    def _start(self) -> tuple[list[Run], float]:
        now = time.monotonic()
        flights, until = [], now
        for lane in self.lanes:
            if (flight := lane.start(now)) is not None:
                flights.append(flight)
                until = max(until, lane.deadline())
        return flights, until - now + MARGIN_S


def announce_probe(name: str, result: Result, is_new: bool) -> None:
    """Show what a probe has found; a change of its state is logged."""
    gauges.show_result(name, result)
    if is_new:
        _log("A health probe has changed its state.", "health.probe_changed", result, probe=name)


def announce_collector(name: str, result: Result, is_new: bool) -> None:
    """Show whether a collector did what it should; a change is logged."""
    gauges.show_collector(name, result)
    if is_new:
        _log("A collector of metrics has changed its state.", "health.collector_changed", result, collector=name)


def _log(message: str, action: str, result: Result, **what: str) -> None:
    level = logging.INFO if result.state is State.PASS else logging.WARNING
    logger.log(level, message, extra={"action": action, "state": result.state.value, "detail": result.detail, **what})


_made: dict[str, Runner] = {}
_lock = threading.Lock()


def runner() -> Runner:
    """The probes of this process, made on first use: with new threads after a fork, anew when settings change."""
    return _made.get("probes") or _make("probes", configured_probes, announce_probe)


def collecting() -> Runner:
    """Likewise the collectors: what they gave is with them (`probe.run.families`), if their result is a pass."""
    return _made.get("collectors") or _make("collectors", configured_collectors, announce_collector)


def _make(
    kind: str, configured: Callable[[], Iterable[ConfiguredProbe]], announce: Callable[[str, Result, bool], None]
) -> Runner:
    with _lock:
        if kind not in _made:
            limits = {"deadline_s": conf().DEADLINE_S, "cache_s": conf().CACHE_S}
            _made[kind] = Runner([ProbeThread(probe, announce, **limits) for probe in configured()])
        return _made[kind]


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  (it may have been held when the process forked)
    _made.clear()
    _lock = threading.Lock()


def _forget(*, setting: str, **_: object) -> None:
    if setting in (NAME, "DATABASES"):
        while _made:
            _made.popitem()[1].stop()


os.register_at_fork(after_in_child=_after_fork)
setting_changed.connect(_forget)
