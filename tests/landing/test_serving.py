"""The landing service: what it costs its process, and how it survives failures."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from systemlog.journal import directory
from systemlog.landing import Lander
from systemlog.landing.lock import LanderLock
from systemlog.landing.service import LandingService
from tests.support.landing import row, stored, write
from tests.support.waiting import eventually


@pytest.fixture
def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LandingService]]:
    """Starts a service in a thread; its lander is what the test gives, and no database is asked."""
    started: list[tuple[LandingService, threading.Thread]] = []

    def start(land_once: Callable[[], int], **more: float) -> LandingService:
        monkeypatch.setattr(Lander, "land_once", lambda self: land_once())
        made = LandingService(**more)
        thread = threading.Thread(target=made.run)
        started.append((made, thread))
        thread.start()
        return made

    yield start
    for made, thread in started:
        made.stop()
        thread.join(10)


def test_a_pass_that_waited_long_for_the_database_is_soon_followed_by_another(
    serving: Callable[..., LandingService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systemlog.landing.service.LONGEST_PAUSE_S", 3600.0)
    passes: list[float] = []
    another = threading.Event()

    def land_once() -> int:
        passes.append(time.monotonic())
        if len(passes) == 1:
            time.sleep(0.4)  # the database was frozen
            return 1
        another.set()
        return 0

    serving(land_once, share=0.02)
    assert another.wait(15), "a fiftieth of the time would be 20 s of silence"


def test_landing_that_fails_again_and_again_leaves_no_threads_behind(
    serving: Callable[..., LandingService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systemlog.landing.service.MAX_BACKOFF_S", 0.01)
    failures = threading.Semaphore(0)

    def land_once() -> int:
        failures.release()
        raise RuntimeError("whatever")

    before = threading.active_count()
    serving(land_once)
    for _ in range(20):
        assert failures.acquire(timeout=60)
    assert threading.active_count() - before <= 5


def test_a_directory_that_cannot_be_used_is_reported_once_a_minute(
    folder: Path,
    serving: Callable[..., LandingService],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("systemlog.landing.service.MAX_BACKOFF_S", 0.01)
    monkeypatch.setattr("systemlog.journal.stderr._last_line_at", float("-inf"))
    failures = threading.Semaphore(0)

    def acquire(self: LanderLock) -> bool:
        failures.release()
        raise directory.JournalUnusable("The journal's directory cannot be used.")

    monkeypatch.setattr(LanderLock, "acquire", acquire)
    serving(lambda: 0)
    for _ in range(5):
        assert failures.acquire(timeout=60)
    assert capsys.readouterr().err.count("cannot be used") == 1
    assert not caplog.records


def test_a_forked_process_does_not_keep_the_lock_of_its_parent(folder: Path) -> None:
    lock = LanderLock(folder)
    assert lock.acquire()
    reading, writing = os.pipe()
    there, arrived = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(arrived, b"x")
        os.read(reading, 1)
        os._exit(0)
    try:
        os.read(there, 1)
        assert lock._descriptor is not None
        os.close(lock._descriptor)  # as the kernel does when the parent ends
        lock._descriptor = None
        other = LanderLock(folder)
        assert other.acquire()
        other.release()
    finally:
        os.write(writing, b"x")
        os.waitpid(child, 0)
        for descriptor in (reading, writing, there, arrived):
            os.close(descriptor)


@pytest.mark.django_db
def test_more_segments_than_files_may_be_open_are_landed(folder: Path) -> None:
    for number in range(60):
        write(folder, [row(str(number))])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        Lander(folder).land_all()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(stored()) == 60


def is_taken(lock: Path) -> bool:
    """Whether a lander is elected, and from then on asks the database, whenever it is stopped."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def test_the_command_ends_within_two_seconds_while_another_holds_the_databases_lock(tmp_path: Path) -> None:
    database = tmp_path / "logs.sqlite3"
    code = f"""
        from django.conf import settings
        settings.configure(
            DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {str(database)!r},
                "OPTIONS": {{"timeout": 20}}}}}},
            USE_TZ=True, INSTALLED_APPS=["systemlog"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            SYSTEMLOG={{"JOURNAL_DIR": {str(tmp_path / "journal")!r}, "LANDER": "process"}},
        )
        import django, logging, sys
        django.setup()
        from django.core.management import call_command
        from systemlog.journal import SystemLogHandler
        logging.getLogger("app").addHandler(SystemLogHandler())
        if sys.argv[1] == "migrate":
            call_command("migrate", verbosity=0)
        else:
            logging.getLogger("app").error("x")
            call_command("land_system_logs")
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run([*run, "migrate"], check=True, timeout=60)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with subprocess.Popen([*run, "land"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert eventually(lambda: any(map(is_taken, (tmp_path / "journal").glob(f"*/{directory.LANDER_LOCK}"))))
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - told < 4
            assert process.stderr is not None
            assert "stays in the journal" in process.stderr.read()
        finally:
            process.kill()
    other.close()
