"""How much of the journal one writer may fill, and what is kept for the process's own errors."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import textwrap
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from systemlog.journal import accept_rows, directory, files
from systemlog.storage import Row
from tests.journal.reading import rows_in

Begin = Callable[..., Path]

MAX_BYTES = 2**20
BATCH = 20


@pytest.fixture(autouse=True)
def _complaints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systemlog.journal.stderr._last_line_at", float("-inf"))


def row(writer: str, level: str = "CRITICAL") -> Row:
    """Return a record of about a kilobyte."""
    return Row(
        timestamp=datetime.now(UTC),
        id=uuid.uuid4(),
        level=level,
        category="sent",
        source="there",
        message="x" * 900,
        correlation_id=None,
        user_id=None,
        context={},
        trace_id=None,
        subject=None,
        recorded_by=writer,
    )


def fill(writer: str, level: str = "CRITICAL", most: int = 5000) -> int:
    """Send until there is no room, and return how many records were accepted."""
    total = 0
    while total < most:
        accepted = accept_rows([row(writer, level) for _ in range(BATCH)])
        total += accepted
        if accepted < BATCH:
            break
    return total


def part(folder: Path, writer: str | None) -> float:
    """Return the part of the journal that a writer has filled."""
    return directory.waiting_bytes(folder).get(writer, 0) / MAX_BYTES


def test_a_writer_fills_its_share_and_others_go_on(journal: Begin, logger: logging.Logger) -> None:
    folder = journal(JOURNAL_MAX_BYTES=MAX_BYTES)
    assert fill("greedy") > 0
    assert 0.24 <= part(folder, "greedy") <= 0.27
    assert accept_rows([row("greedy")]) == 0
    assert accept_rows([row("modest", "INFO")]) == 1
    logger.debug("own")
    assert {row.message for row in rows_in(folder)} >= {"own"}


def test_the_share_is_a_setting(journal: Begin) -> None:
    folder = journal(JOURNAL_MAX_BYTES=MAX_BYTES, JOURNAL_WRITER_SHARE=0.5)
    fill("greedy")
    assert 0.49 <= part(folder, "greedy") <= 0.55


def test_writers_together_leave_room_for_the_processs_own_errors(journal: Begin, logger: logging.Logger) -> None:
    folder = journal(JOURNAL_MAX_BYTES=MAX_BYTES)
    for number in range(8):
        fill(f"writer {number}")
    waiting = sum(directory.waiting_bytes(folder).values())
    assert 0.89 <= waiting / MAX_BYTES <= 0.94
    logger.error("an error of its own")
    logger.critical("and a grave one")
    assert {"an error of its own", "and a grave one"} <= {row.message for row in rows_in(folder)}


def test_a_bulk_of_several_writers_ends_at_the_first_that_has_no_room(journal: Begin) -> None:
    journal(JOURNAL_MAX_BYTES=MAX_BYTES)
    fill("greedy")
    assert accept_rows([row("modest"), row("modest"), row("greedy"), row("modest")]) == 2


def test_there_is_room_again_when_what_waited_has_landed(journal: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    from systemlog.journal.segments import SegmentReader

    folder = journal(JOURNAL_MAX_BYTES=MAX_BYTES)
    fill("greedy")
    for path in directory.segment_files(folder):
        segment = SegmentReader(path)
        segment.set_landed(segment.size)
    monkeypatch.setattr(files, "CHECK_S", 0.0)
    assert accept_rows([row("greedy")]) == 1


def test_several_processes_share_a_writers_share(tmp_path: Path) -> None:
    code = textwrap.dedent(
        f"""
        from django.conf import settings
        settings.configure(
            DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "none"}}}}, USE_TZ=True,
            SYSTEMLOG={{"JOURNAL_DIR": {str(tmp_path)!r}, "JOURNAL_MAX_BYTES": {MAX_BYTES}}},
        )
        from tests.journal.test_shares import fill
        fill("greedy")
        """
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    (folder,) = tmp_path.iterdir()
    assert len(directory.segment_files(folder)) >= 3
    assert 0.24 <= part(folder, "greedy") <= 0.30


def test_any_number_of_writers_takes_a_bounded_number_of_segments(
    journal: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_WRITERS", 3)
    folder = journal()
    for name in itertools.islice(itertools.cycle(f"writer {number}" for number in range(20)), 60):
        assert accept_rows([row(name)]) == 1
    assert len(directory.segment_files(folder)) == 4
    assert set(Counter(row.recorded_by for row in rows_in(folder)).values()) == {3}


def test_a_silent_writer_loses_its_segment_to_another(journal: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_WRITERS", 2)
    monkeypatch.setattr(files, "WRITER_IDLE_S", -1.0)
    folder = journal()
    for number in range(5):
        assert accept_rows([row(f"writer {number}")]) == 1
    assert set(directory.waiting_bytes(folder)) == {f"writer {number}" for number in range(5)}
