"""How long segments are kept, when they are removed, and what is counted of them."""

from __future__ import annotations

import fcntl
import gc
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from systemlog.journal import backends, directory, read_state
from systemlog.journal.segments import HEADER_BYTES, Cell, Segment, SegmentReader
from systemlog.landing import Lander
from systemlog.models import Checkpoint
from systemlog.records.copy_text import encode
from tests.support.landing import row, stored, write

pytestmark = pytest.mark.django_db


def test_a_landed_segment_stays_while_its_writer_lives_and_for_its_time(
    journal: Callable[..., Path], folder: Path, lander: Lander
) -> None:
    segment = write(folder, [row("1")])
    path = segment.path
    lander.land_all()
    os.utime(path, (0, 0))
    lander.land_all()
    assert path.exists(), "its writer lives"
    del segment
    journal(JOURNAL_KEEP_S=time.time() + 1000)
    lander.land_all()
    assert path.exists(), "it is kept"
    journal(JOURNAL_KEEP_S=900)
    lander.land_all()
    assert not path.exists()
    assert Checkpoint.objects.count() == 0


def test_what_a_writer_left_that_was_killed_while_it_made_a_segment_is_removed(
    folder: Path, lander: Lander, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt  # anything that the writer does not clean up after

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            Segment(folder, folder.name)
    (left,) = folder.iterdir()
    lander.land_all()
    assert left.exists(), "it may be one that is being made"
    os.utime(left, (0, 0))
    with left.open() as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        lander.land_all()
        assert left.exists(), "its writer lives"
    lander.land_all()
    assert not left.exists()


def test_counts_stay_when_segments_go(journal: Callable[..., Path], folder: Path, lander: Lander) -> None:
    from systemlog.probes import collect

    def counts() -> dict[str, float]:
        return {family.name: sum(sample.value for sample in family.samples) for family in collect()}

    write(folder, [row("1"), row("2", level="ERROR")])
    gc.collect()
    assert (counts()["systemlog_records_accepted"], counts()["systemlog_records_landed"]) == (2, 0)
    journal(JOURNAL_KEEP_S=0)
    lander.land_all()
    lander.land_all()
    assert not directory.segment_files(folder)
    assert (counts()["systemlog_records_accepted"], counts()["systemlog_records_landed"]) == (2, 2)


def test_a_record_says_how_many_were_refused_when_there_is_room_again(folder: Path, lander: Lander) -> None:
    segment = write(folder, [row("1")])
    segment.count_refused(1, 40)
    segment.count_refused(3, 2)
    told: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = told.append
    landing = logging.getLogger("systemlog.landing")
    landing.addHandler(handler)
    try:
        lander.land_all()
        lander.land_all()
    finally:
        landing.removeHandler(handler)
    assert [record.__dict__["refused"] for record in told] == [{"INFO": 40, "ERROR": 2}]
    assert sum(read_state().refused.values()) == 0
    assert SegmentReader(segment.path).cells()[Cell.REFUSED + 1] == 40


def test_the_header_tells_readers_how_far_landing_is(folder: Path, lander: Lander) -> None:
    segment = write(folder, [row("1")])
    assert read_state().waiting_bytes > 0
    assert json.loads(segment.path.read_bytes()[:HEADER_BYTES].partition(b"\n")[0])["target"] == folder.name
    lander.land_all()
    assert read_state().waiting_bytes == 0
    assert read_state().oldest_age_s == 0


def test_what_is_for_another_target_stays_there(folder: Path, lander: Lander) -> None:
    other = folder.with_name("other-0123456789ab")
    directory.make_folder(other)
    write(other, [row("not ours")])
    assert lander.land_all() == 0
    assert directory.segment_files(other)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_small_disk_that_the_journal_filled_takes_records_again_when_they_are_landed(
    journal: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = journal(JOURNAL_MAX_BYTES=2**30)
    folder.parent.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder.parent], check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        sink = backends.sink()
        taken = 0
        while sink.append(encode(row(f"{taken}", level="ERROR"))):
            taken += 1
        monkeypatch.setattr("systemlog.journal.files.RETRY_S", 0.0)
        lander = Lander(folder)
        lander.land_all()
        sink.append(encode(row("lost, it may be", level="ERROR")))  # the writer finds that the disk is full
        lander.land_all()
        assert sink.append(encode(row("last", level="ERROR")))
        lander.land_all()
        found = stored()
        assert found[:taken] == [str(number) for number in range(taken)]
        assert found[-1] == "last"
        assert taken > 100
    finally:
        backends.close()
        gc.collect()
        subprocess.run(["umount", folder.parent], check=True)


def test_refusals_of_a_removed_segment_are_reported(
    journal: Callable[..., Path], folder: Path, lander: Lander, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal(JOURNAL_KEEP_S=0)
    segment = write(folder, [row("1")])
    segment.count_refused(1, 40)
    del segment
    told: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = told.append
    landing = logging.getLogger("systemlog.landing")
    landing.addHandler(handler)
    crowded = True
    monkeypatch.setattr(directory, "is_crowded", lambda folder: crowded)
    try:
        lander.land_all()
        assert not directory.segment_files(folder)
        assert not told, "there would be no room for it"
        crowded = False
        lander.land_all()
        lander.land_all()
    finally:
        landing.removeHandler(handler)
    assert [record.__dict__["refused"] for record in told] == [{"INFO": 40}]
