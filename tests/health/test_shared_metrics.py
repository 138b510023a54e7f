"""The metrics of several processes: counted once and for all, whatever becomes of a process or the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

PROJECT = Path(__file__).parents[2]


class Worker:
    """A process of its own that counts into the directory."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.health.worker"],
            cwd=PROJECT,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *command: object) -> object:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, command)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def scrape(self, name: str, **labels: str) -> float | None:
        samples = self.do("scrape")
        assert isinstance(samples, list)
        found = [value for sample, given, value in samples if sample == name and labels.items() <= given.items()]
        assert len(found) <= 1, "a series is there twice"
        return found[0] if found else None

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


StartWorker = Callable[[], Worker]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def start(directory: Path) -> Iterator[StartWorker]:
    """Start a worker; all are gone at the end."""
    workers = []

    def start_one() -> Worker:
        workers.append(Worker(directory))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.kill()


@pytest.fixture
def tmpfs(directory: Path) -> Iterator[Path]:
    """A file system of its own where the metrics are, with room for a few files."""
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a tmpfs")
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def test_any_process_shows_the_sum_of_all(start: StartWorker) -> None:
    one, other = start(), start()
    one.do("count", 2)
    other.do("count", 3)
    one.do("observe", 0.5)
    other.do("observe", 1.5)

    for worker in (one, other):
        assert worker.scrape("work_total") == 5
        assert worker.scrape("duration_bucket", le="1.0") == 1
        assert worker.scrape("duration_bucket", le="+Inf") == 2
        assert worker.scrape("duration_count") == 2
        assert worker.scrape("duration_sum") == 2


@pytest.mark.parametrize(
    ("mode", "together", "after_the_death_of_one"),
    [("livesum", 5, 3), ("max", 3, 3), ("min", 2, 2), ("livemostrecent", 3, 3)],
)
def test_gauges_follow_their_mode(
    start: StartWorker, mode: str, together: float, after_the_death_of_one: float
) -> None:
    one, other = start(), start()
    one.do("set", mode, 2)
    other.do("set", mode, 3)
    assert other.scrape(f"gauge_{mode}") == together

    one.kill()

    assert other.scrape(f"gauge_{mode}") == after_the_death_of_one


@pytest.mark.parametrize(("mode", "stays"), [("all", True), ("liveall", False)])
def test_gauges_of_each_process_stand_under_its_pid(start: StartWorker, mode: str, stays: bool) -> None:
    one, other = start(), start()
    one.do("set", mode, 2)
    other.do("set", mode, 3)
    pid = str(one.process.pid)
    assert other.scrape(f"gauge_{mode}", pid=pid) == 2

    one.kill()

    assert other.scrape(f"gauge_{mode}", pid=pid) == (2 if stays else None)


def test_what_a_killed_process_counted_stays_and_its_files_go(start: StartWorker, directory: Path) -> None:
    survivor = start()
    survivor.do("count", 1)
    for _ in range(5):
        worker = start()
        worker.do("count", 10)
        worker.kill()

    assert survivor.scrape("work_total") == 51
    assert survivor.scrape("work_total") == 51
    counters = list(directory.glob("counter_*.db"))
    assert len(counters) == 1


def test_the_archive_of_a_crash_in_between_counts_nothing_twice(start: StartWorker, directory: Path) -> None:
    survivor, dead = start(), start()
    survivor.do("count", 1)
    dead.do("count", 10)
    (file,) = directory.glob(f"counter_{dead.process.pid}-*.db")
    left = file.read_bytes()
    dead.kill()
    assert survivor.scrape("work_total") == 11

    file.write_bytes(left)  # as if the process that merged it had died before removing it
    archive = json.loads((directory / "archive.json").read_text())
    (directory / "archive.json").write_text(json.dumps(archive | {"merged": [file.name]}))

    assert survivor.scrape("work_total") == 11
    assert survivor.scrape("work_total") == 11
    assert not file.exists()


def test_a_fork_counts_from_zero_in_files_of_its_own(start: StartWorker) -> None:
    worker = start()
    worker.do("count", 1)

    worker.do("fork", 10)

    assert worker.scrape("work_total") == 11


def test_more_series_than_a_file_has_room_for_at_first(start: StartWorker) -> None:
    one, other = start(), start()
    one.do("series", 3000)
    other.do("series", 3000)
    one.do("series", 1)

    assert other.scrape("series_total", number="0") == 3
    assert other.scrape("series_total", number="2999") == 2


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


def test_the_rate_is_that_of_all_processes_the_dead_ones_included(start: StartWorker) -> None:
    one, other = start(), start()
    for worker in (one, other, other):
        worker.do("request")
    assert one.do("rate") == 3

    other.kill()

    assert one.do("rate") == 3


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


def test_a_strict_parser_takes_the_histograms_of_several_processes(start: StartWorker) -> None:
    workers = [start(), start()]
    for worker in workers:
        for method, route in (("GET", "a"), ("GET", "b"), ("POST", "a")):
            worker.do("observe_route", method, route, 1.5)

    text = workers[0].do("openmetrics")

    assert isinstance(text, str)
    [family] = [family for family in text_string_to_metric_families(text) if family.name == "route_duration"]
    sums = {tuple(s.labels.values()): s.value for s in family.samples if s.name == "route_duration_sum"}
    assert sums == {("GET", "a"): 3.0, ("GET", "b"): 3.0, ("POST", "a"): 3.0}
