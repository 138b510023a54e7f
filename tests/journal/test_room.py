"""A journal that fills: which levels it refuses, and what happens on a full disk."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from systemlog.journal import backends, directory, read_state
from tests.journal.reading import messages_in
from tests.support.journal import all_messages, in_a_process

Begin = Callable[..., Path]
Logger = logging.Logger


@pytest.fixture(autouse=True)
def _reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the journal report each failure on standard error, as if none had been reported before."""
    monkeypatch.setattr("systemlog.journal.stderr._last_line_at", float("-inf"))


def test_as_it_fills_it_closes_level_by_level(
    journal: Begin, logger: Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = journal(JOURNAL_MAX_BYTES=2**20)
    levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    fills = {}
    for level in levels:
        for _ in range(2000):
            before = sum(directory.waiting_bytes(folder).values())
            logger.log(logging.getLevelNamesMapping()[level], "x" * 1000)
            if sum(directory.waiting_bytes(folder).values()) == before:
                fills[level] = before / 2**20
                break
    assert list(fills) == list(levels)
    # It looks again after a part of what is left, so each level closes a little behind its mark.
    for level, mark in zip(levels, (0.7, 0.8, 0.9, 0.97, 1.0), strict=True):
        assert mark <= fills[level] <= mark + 0.05
    state = read_state()
    assert state.refused == dict.fromkeys(levels, 1)
    assert capsys.readouterr().err.count("\n") == 1


def test_what_was_refused_without_a_directory_is_counted_when_there_is_one(
    journal: Begin, logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = journal()
    folder.parent.mkdir()
    folder.write_text("in the way")
    logger.error("lost")
    folder.unlink()
    monkeypatch.setattr("systemlog.journal.files.RETRY_S", -1.0)
    monkeypatch.setattr(backends.sink(), "_retry_at", 0.0)
    logger.error("kept")
    assert messages_in(folder) == ["kept"]
    assert read_state().refused["ERROR"] == 1


def test_a_file_system_at_its_limit_refuses_and_keeps_what_it_took(tmp_path: Path) -> None:
    # The kernel cuts the write that crosses the limit short, as a full disk does, and refuses the next.
    done = in_a_process(
        tmp_path,
        """
        import resource
        logger.info("first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
        for number in range(20):
            logger.info("%02d %s", number, "x" * 500)
        print("alive")
        """,
    )
    assert done.stdout == "alive\n", done.stderr
    taken = all_messages(tmp_path)
    assert taken[0] == "first"
    assert [message[:2] for message in taken[1:]] == [f"{number:02}" for number in range(len(taken) - 1)]
    assert 2 < len(taken) < 20
    assert done.stderr.count("systemlog:") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("option", ["size=256k", "nr_inodes=3"])
def test_a_full_disk_refuses_until_there_is_room_again(tmp_path: Path, option: str) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", option, "none", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        done = in_a_process(
            tmp_path,
            """
            import time
            def fill():
                line = b"x" * 63 + b"ERROR" + b"x" * 932
                return [number for number in range(600) if not backends.sink().append(line)]
            path = os.path.join(settings.SYSTEMLOG["JOURNAL_DIR"], "ballast")
            try:
                open(path, "w").write("x" * 100_000)
            except OSError:
                pass
            logger.error("first")
            refused = fill()
            if os.path.exists(path):
                os.unlink(path)
            time.sleep(0.2)
            logger.error("last")
            print(len(refused))
            """,
        )
        assert done.returncode == 0, done.stderr
        if option.startswith("size"):
            assert int(done.stdout) > 0
            (target,) = [folder for folder in tmp_path.iterdir() if folder.is_dir()]
            data = b"".join(path.read_bytes() for path in directory.segment_files(target))
            assert b"first" in data
            assert b"last" in data
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_segment_grows_and_says_so_where_no_other_can_be_made(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=3", "none", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        code = """for number in range(200): logger.error("%04d" + "x" * 1000, number)"""
        done = in_a_process(tmp_path, code, JOURNAL_MAX_BYTES=2**20)
        assert len(all_messages(tmp_path)) == 200
        assert done.stderr.startswith("systemlog: No new segment can be made")
    finally:
        subprocess.run(["umount", tmp_path], check=True)
