"""Duties of the lander: they run by the clock in the process that holds the lock, and fail alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError

from systemlog.landing import Lander, duties
from systemlog.landing.duties import Duties, Duty
from systemlog.landing.service import LandingService


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Duties]]:
    """Starts a lander's duties: those given, and no others."""
    started: list[Duties] = []

    def start(*given: Duty) -> Duties:
        monkeypatch.setattr(duties, "_registered", {})
        for duty in given:
            duties.register(duty)
        made = Duties()
        started.append(made)
        made.start()
        return made

    yield start
    for made in started:
        made.stop()


class Counted:
    """Counts its runs, each of which does what the test gives."""

    def __init__(self, action: Callable[[], object] = lambda: None) -> None:
        self._action = action
        self.begun = threading.Semaphore(0)

    def __call__(self, stopping: Callable[[], bool]) -> None:
        self.begun.release()
        self._action()

    def runs(self, count: int) -> bool:
        """Wait until it has run `count` times more. Returns False where it does not."""
        return all(self.begun.acquire(timeout=60) for _ in range(count))


def test_a_duty_runs_again_and_again(at_work: Callable[..., Duties]) -> None:
    counted = Counted()
    at_work(Duty("count", lambda: 0.001, counted))
    assert counted.runs(3)


def test_a_duty_that_is_switched_off_never_runs(at_work: Callable[..., Duties]) -> None:
    off, on = Counted(), Counted()
    at_work(Duty("off", lambda: None, off), Duty("on", lambda: 0.001, on))
    assert on.runs(3)
    assert not off.begun.acquire(blocking=False)


def test_a_duty_that_hangs_holds_up_no_other(at_work: Callable[..., Duties]) -> None:
    released = threading.Event()
    hanging, other = Counted(lambda: released.wait(10)), Counted()
    at_work(Duty("hang", lambda: 0.001, hanging), Duty("other", lambda: 0.001, other))
    assert hanging.runs(1)
    assert other.runs(3)
    released.set()


@pytest.mark.parametrize("error", [ValueError("no"), DatabaseError("no")])
def test_a_duty_that_fails_is_logged_once_and_tried_again(
    at_work: Callable[..., Duties], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail() -> None:
        raise error

    failing = Counted(fail)
    with caplog.at_level(logging.ERROR, "systemlog.landing"):
        made = at_work(Duty("fail", lambda: 0.001, failing))
        assert failing.runs(5)
        made.stop()
    assert [record.__dict__["duty"] for record in caplog.records] == ["fail"]


def test_a_long_run_is_told_that_the_lander_stops(at_work: Callable[..., Duties]) -> None:
    begun, ended = threading.Event(), threading.Event()

    def run(stopping: Callable[[], bool]) -> None:
        begun.set()
        while not stopping():
            pass
        ended.set()

    made = at_work(Duty("long", lambda: 60.0, run))
    assert begun.wait(5)
    made.stop()
    assert ended.is_set()


def test_only_the_process_that_holds_the_lock_does_the_duties(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "_registered", {})
    monkeypatch.setattr(Lander, "land_once", lambda self: 0)
    counted = Counted()
    duties.register(Duty("once", lambda: 3600.0, counted))
    services = [LandingService() for _ in range(2)]
    threads = [threading.Thread(target=service.run) for service in services]
    for thread in threads:
        thread.start()
    assert counted.runs(1)
    assert not counted.begun.acquire(timeout=0.3), "the second service has no lock, and must not do it"
    for service, thread in zip(services, threads, strict=True):
        service.stop()
        thread.join(10)
