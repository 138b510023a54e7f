"""The journal on disk is private and bounded, has a segment for each process, and keeps accepted records whatever
happens."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from systemlog.journal import backends, directory
from systemlog.journal.segments import HEADER_BYTES
from tests.journal.reading import messages_in, rows_in
from tests.support.journal import all_messages, in_a_process

Begin = Callable[..., Path]
Logger = logging.Logger


@pytest.fixture(autouse=True)
def _reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the journal report each failure on standard error, as if none had been reported before."""
    monkeypatch.setattr("systemlog.journal.stderr._last_line_at", float("-inf"))


def test_a_record_is_in_the_file_when_the_call_returns(journal: Begin, logger: Logger) -> None:
    folder = journal()
    logger.info("charge %d", 7, extra={"order": 7})
    (row,) = rows_in(folder)
    assert (row.message, row.context, row.source, row.level) == ("charge 7", {"order": 7}, "here", "INFO")


def test_the_directory_and_its_files_are_private(journal: Begin, logger: Logger) -> None:
    folder = journal()
    logger.info("x")
    (segment,) = directory.segment_files(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600


def test_the_header_says_what_the_file_is(journal: Begin, logger: Logger) -> None:
    folder = journal()
    logger.info("x")
    header = json.loads(directory.segment_files(folder)[0].read_bytes()[:HEADER_BYTES].partition(b"\n")[0])
    assert header["version"] == 1
    assert header["target"] == folder.name
    assert header["columns"][:3] == ["timestamp", "id", "level"]


def test_a_killed_process_leaves_every_record_whose_call_returned(tmp_path: Path) -> None:
    done = in_a_process(
        tmp_path,
        """
        for number in range(500):
            logger.info("%d", number)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    assert all_messages(tmp_path) == [str(number) for number in range(500)]


def test_a_forked_process_has_a_segment_of_its_own(tmp_path: Path) -> None:
    done = in_a_process(
        tmp_path,
        """
        logger.info("parent")
        if not (child := os.fork()):
            logger.info("child")
            os._exit(0)
        os.waitpid(child, 0)
        logger.info("parent again")
        """,
    )
    assert done.returncode == 0, done.stderr
    (target,) = tmp_path.iterdir()
    segments = directory.segment_files(target)
    assert len(segments) == 2
    assert sorted(all_messages(tmp_path)) == ["child", "parent", "parent again"]
    rows = rows_in(target)
    assert len({row.id for row in rows}) == 3


def test_threads_write_whole_records(journal: Begin, logger: Logger) -> None:
    folder = journal(JOURNAL_MAX_BYTES=2**23)

    def work(thread: int) -> None:
        for number in range(400):
            logger.info("%d-%d %s", thread, number, "x" * 3000)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [message.partition(" ")[0] for message in messages_in(folder)]
    assert sorted(written) == sorted(f"{thread}-{number}" for thread in range(4) for number in range(400))
    assert len(directory.segment_files(folder)) > 1, "it began new segments on the way"


def test_a_directory_that_cannot_be_made_is_reported_and_the_process_goes_on(
    journal: Begin, logger: Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    journal(JOURNAL_DIR=str(tmp_path / "file" / "journal"))
    logger.error("lost")
    logger.error("lost too")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_directory_that_others_may_write_to_is_not_used(
    journal: Begin, logger: Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = journal()
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    logger.error("x")
    assert "others may write" in capsys.readouterr().err
    assert not directory.segment_files(folder)


def test_a_removed_directory_is_made_again_and_what_was_accepted_is_in_it(
    journal: Begin, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = journal()
    logger.info("before")
    shutil.rmtree(folder)
    monkeypatch.setattr("systemlog.journal.files.CHECK_S", 0.0)
    logger.info("after")
    assert messages_in(folder) == ["before", "after"]


def test_two_targets_never_share_a_folder(journal: Begin, settings: object) -> None:
    one = journal()
    other = journal(DATABASE="another")
    assert one != other
    assert one.parent == other.parent


def test_its_place_is_the_setting_else_the_state_directory_else_below_the_project(
    journal: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: object
) -> None:
    assert journal().parent == tmp_path / "journal"
    settings.BASE_DIR = tmp_path
    journal(JOURNAL_DIR="")
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/state:/elsewhere")
    assert directory.journal_directory() == tmp_path / "state" / "journal"
    monkeypatch.delenv("STATE_DIRECTORY")
    assert directory.journal_directory() == tmp_path / "var" / "journal"
    del settings.BASE_DIR
    with pytest.raises(directory.JournalUnusable, match="JOURNAL_DIR"):
        directory.journal_directory()


def test_the_first_records_of_several_threads_are_all_taken(journal: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    journal()
    looking, go_on = threading.Event(), threading.Event()

    find = directory.target

    def target() -> str:
        looking.set()
        go_on.wait(10)
        return find()

    monkeypatch.setattr(directory, "target", target)
    sink, taken = backends.sink(), []
    threads = [threading.Thread(target=lambda: taken.append(sink.append(b"x"))) for _ in range(5)]
    threads[0].start()
    assert looking.wait(10)
    for thread in threads[1:]:
        thread.start()
    threads[1].join(0.2)  # it has to wait for the first thread's result
    go_on.set()
    for thread in threads:
        thread.join()
    assert taken == [True] * 5


def test_every_directory_that_the_journal_makes_is_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory.make_folder(tmp_path / "var" / "journal" / "target")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "var").rglob("*")] == [0o700, 0o700]
