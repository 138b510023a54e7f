"""The directory of the shared metrics: whose it is, and that full disks, missing and broken files are survived."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.health import PROJECT, StartWorker


@pytest.fixture
def tmpfs(directory: Path) -> Iterator[Path]:
    """A file system of its own where the metrics are, with room for a few files."""
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a tmpfs")
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def test_a_full_disk_kills_nobody_turns_no_counter_back_and_loses_nothing_in_the_end(
    start: StartWorker, tmpfs: Path
) -> None:
    worker = start()
    worker.do("count", 1)
    (tmpfs / "filler").write_bytes(b"")
    filler = (tmpfs / "filler").open("r+b", buffering=0)
    try:
        while True:
            filler.write(bytes(4096))
    except OSError:
        filler.close()

    worker.do("series", 3000)
    worker.do("count", 1)
    late = start()
    late.do("count", 5)

    late.do("set", "livemostrecent", 3)

    assert worker.process.poll() is None
    assert worker.scrape("work_total") == late.scrape("work_total") == 2  # whichever process is asked
    assert worker.scrape("series_total", number="2999") is None
    assert late.scrape("gauge_livemostrecent") == 3

    (tmpfs / "filler").unlink()
    late.do("scrape")  # finds room for what it kept
    worker.do("scrape")
    late.do("count", 1)

    assert worker.scrape("work_total") == late.scrape("work_total") == 8
    assert late.scrape("series_total", number="2999") == 1


def test_a_directory_that_cannot_be_made_leaves_each_process_alone(start: StartWorker, directory: Path) -> None:
    directory.write_text("a file where the directory should be")
    worker = start()
    worker.do("count", 2)
    worker.do("request")

    assert worker.scrape("work_total") == 2
    assert worker.do("rate") == 1


def test_a_directory_that_vanishes_is_survived(start: StartWorker, directory: Path) -> None:
    worker = start()
    worker.do("count", 2)
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()

    worker.do("count", 2)
    worker.do("scrape")

    assert worker.process.poll() is None


def test_files_that_are_empty_or_broken_are_survived(start: StartWorker, directory: Path) -> None:
    worker = start()
    worker.do("count", 2)
    contents = [b"", b"\0", b"\xff" * 100, b"\x10\0\0\0" + b"\xff" * 500]
    for number, content in enumerate(contents):
        for kind in ("counter", "histogram", "gauge_livesum"):
            (directory / f"{kind}_{number}.db").write_bytes(content)  # of prometheus_client itself
            (directory / f"{kind}_{number}-ab.db").write_bytes(content)

    assert worker.scrape("work_total") == 2
    assert worker.scrape("work_total") == 2


def test_an_archive_that_is_broken_is_survived(start: StartWorker, directory: Path) -> None:
    worker = start()
    worker.do("count", 2)
    (directory / "archive.json").write_text('{"merged": 7}')

    assert worker.scrape("work_total") == 2


SERVER = """
import os, sys
from pathlib import Path
from health.metrics.multiprocess import share
share(sys.argv[1])
share(sys.argv[1])
print(os.environ["PROMETHEUS_MULTIPROC_DIR"], flush=True)
sys.stdin.read()
"""


def start_server(directory: Path, **environment: str) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, directory],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_each_server_has_a_folder_of_its_own_and_removes_those_of_the_dead(directory: Path) -> None:
    first, first_folder = start_server(directory)
    second, second_folder = start_server(directory)
    assert first_folder.is_dir()
    assert first_folder != second_folder

    first.kill()
    first.communicate()
    third, third_folder = start_server(directory)

    assert not first_folder.exists()
    assert second_folder.is_dir()
    assert third_folder.is_dir()
    for process in (second, third):
        process.communicate()


def test_the_operator_may_say_where_the_folder_is(directory: Path, tmp_path: Path) -> None:
    server, folder = start_server(tmp_path / "default", PROMETHEUS_MULTIPROC_DIR=str(directory))
    server.communicate()

    assert folder.parent == directory
