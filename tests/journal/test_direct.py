"""The journal without a disk: accepted records are stored when the call returns, refused records never are."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.db.backends.signals import connection_created

from systemlog import record
from systemlog.conf import conf
from systemlog.journal import backends as journal_backends
from systemlog.landing.direct import DirectSink
from systemlog.models import SystemLog
from tests.support.landing import row
from tests.support.servers import Platform

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 30
HOUR_S = 3600.0

Use = Callable[..., DirectSink]


@pytest.fixture
def use() -> Iterator[Use]:
    """A function that sends records straight into the database; its arguments are those of `DirectSink`."""
    opened: list[DirectSink] = []

    def use(**options: float) -> DirectSink:
        opened.append(DirectSink(**options))
        before = journal_backends.replace(opened[-1])
        if len(opened) == 1:
            stack.callback(journal_backends.replace, before)
        return opened[-1]

    with contextlib.ExitStack() as stack:
        yield use


@contextlib.contextmanager
def held_table() -> Iterator[None]:
    """Context manager: nobody else can write to the table."""
    alias = conf().DATABASE
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        if connections[alias].vendor == "postgresql":
            cursor.execute("LOCK TABLE system_logs IN EXCLUSIVE MODE")
        yield  # on SQLite the transaction has the lock of all writers


def stored() -> list[str]:
    """Return the messages in the table."""
    return list(SystemLog.objects.order_by("timestamp").values_list("message", flat=True))


def record_when_possible(message: str) -> None:
    """Try until the record is accepted, as an application that goes on logging does."""
    deadline = time.monotonic() + DEADLINE_S
    while record("c", message) is None:
        assert time.monotonic() < deadline, "the sink takes nothing any more"


def test_a_record_is_stored_when_the_call_returns_whatever_becomes_of_the_transaction(use: Use) -> None:
    use()
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        assert record("c", "kept")
        raise ZeroDivisionError
    assert stored() == ["kept"]


def test_what_was_reported_as_refused_is_never_stored(use: Use) -> None:
    use(timeout_s=0.1, pause_s=0)
    with held_table():
        assert record("c", "refused") is None
        assert record("c", "refused, too") is None
    record_when_possible("taken")
    assert stored() == ["taken"]


def test_a_caller_that_waited_for_its_turn_in_vain_is_not_stored_later(use: Use) -> None:
    use(timeout_s=0.5, pause_s=0)
    with held_table(), ThreadPoolExecutor(8) as callers:
        assert list(callers.map(lambda number: record("c", f"refused {number}"), range(8))) == [None] * 8
    record_when_possible("taken")
    assert stored() == ["taken"]


def test_while_the_database_does_not_answer_no_further_caller_waits(use: Use) -> None:
    sink = use(timeout_s=0.1, pause_s=HOUR_S)
    with held_table():
        assert record("c", "waits, and is refused") is None
        sink._timeout_s = HOUR_S  # a caller that waited now would wait longer than the test may take
        assert [record("c", "refused at once") for _ in range(100)] == [None] * 100


def test_a_caller_that_never_got_its_turn_does_not_blame_the_database(use: Use) -> None:
    """All records of many callers at once are stored, because the database does answer."""
    use(timeout_s=DEADLINE_S)
    with ThreadPoolExecutor(16) as callers:
        assert all(callers.map(lambda number: record("c", str(number)), range(200)))
    assert sorted(map(int, stored())) == list(range(200))


@pytest.fixture
def backends() -> Callable[[], list[int]]:
    """A function that returns the process ids of the other sessions in PostgreSQL; skips the test elsewhere."""
    if connections[conf().DATABASE].vendor != "postgresql":
        pytest.skip("SQLite has no sessions")

    def others() -> list[int]:
        with connections[conf().DATABASE].cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return [pid for (pid,) in cursor.fetchall()]

    return others


def test_a_session_that_the_database_ended_costs_no_record(use: Use, backends: Callable[[], list[int]]) -> None:
    use()
    assert record("c", "before")
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) pid", [backends()])
    assert record("c", "after")
    assert stored() == ["before", "after"]


def test_a_hanging_session_is_closed(use: Use, backends: Callable[[], list[int]]) -> None:
    before = backends()
    use(timeout_s=1, pause_s=0)
    assert record("c", "before")
    (frozen,) = set(backends()) - set(before)
    try:
        os.kill(frozen, signal.SIGSTOP)
    except (PermissionError, ProcessLookupError):
        pytest.skip("the server's processes are not ours to freeze")
    try:
        assert record("c", "refused") is None
        record_when_possible("after")
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert stored() == ["before", "after"]


def test_what_the_database_refuses_is_refused_and_the_next_record_is_stored(use: Use) -> None:
    sink = use()
    assert not sink.append(b"\t".join([b"2026-11-27 12:00:00.000000+00", b"0" * 32, b"INFO", *[b"\\N"] * 9]))
    assert record("c", "next")
    assert stored() == ["next"]


def test_a_record_of_a_bulk_whose_key_another_one_has_is_kept_in_a_warning(
    use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    use()
    first = row("first")
    assert journal_backends.accept_rows([first]) == 1
    rows = [first, first._replace(message="second"), row("third")]
    assert journal_backends.accept_rows(rows) == 3
    assert stored()[:2] == ["first", "third"]
    assert "second" not in stored()
    (warning,) = (each for each in caplog.records if each.name == "systemlog.landing")
    assert warning.__dict__["record"]["message"] == "second"


def test_what_storing_a_record_logs_does_not_wait_for_that_record(use: Use, logger: logging.Logger) -> None:
    use(timeout_s=HOUR_S)

    def log(**_: object) -> None:
        logger.error("a new connection")

    connection_created.connect(log)
    try:
        assert record("c", "stored")
    finally:
        connection_created.disconnect(log)
    assert stored() == ["stored"]


def test_the_thread_ends_with_the_sink(use: Use) -> None:
    use()
    assert record("c", "stored")
    (worker,) = (thread for thread in threading.enumerate() if thread.name == "systemlog direct")
    journal_backends.replace(None)
    worker.join(DEADLINE_S)
    assert not worker.is_alive()


AT_THE_END = """
import atexit, logging, threading

logger = logging.getLogger("end")

def outlive():
    threading.main_thread().join()
    logger.error("from a thread that outlives the main one")

atexit.register(logger.error, "from a function of atexit")
"""


@pytest.mark.parametrize(
    ("more", "records"),
    [
        pytest.param("", 1, id="first of all in atexit"),
        pytest.param("logger.error('before')", 2, id="in atexit, after others"),
        pytest.param("threading.Thread(target=outlive).start()", 2, id="in a thread that outlives the main one"),
    ],
)
def test_what_is_logged_while_the_process_ends_is_stored(platform: Platform, more: str, records: int) -> None:
    platform.environment["SYSTEMLOG_JOURNAL"] = "direct"
    done = platform.manage("shell", "--verbosity=0", "--command", AT_THE_END + more)
    assert "systemlog:" not in done.stderr
    code = "from systemlog.models import SystemLog\nprint(SystemLog.objects.filter(category='end').count())"
    assert platform.manage("shell", "--verbosity=0", "--command", code).stdout.strip() == str(records)
