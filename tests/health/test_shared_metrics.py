"""The metrics of several processes: counted once and for all, whatever becomes of a process or the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.health import StartWorker


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


def test_the_rate_is_that_of_all_processes_the_dead_ones_included(start: StartWorker) -> None:
    one, other = start(), start()
    for worker in (one, other, other):
        worker.do("request")
    assert one.do("rate") == 3

    other.kill()

    assert one.do("rate") == 3


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
