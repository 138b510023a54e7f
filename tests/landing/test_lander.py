"""The lander stores each line once, whatever happens to the file, the checkpoint, the database or another lander."""

from __future__ import annotations

import fcntl
import gc
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from systemlog.conf import conf
from systemlog.journal import SystemLogHandler, backends, directory, read_state
from systemlog.journal.framing import frame
from systemlog.journal.segments import HEADER_BYTES, Cell, Segment, SegmentReader
from systemlog.landing import DatabaseDown, Lander
from systemlog.landing.quarantine import Quarantine
from systemlog.landing.stats import read_ledger
from systemlog.models import Checkpoint, SystemLog
from systemlog.records.copy_text import encode
from systemlog.storage import Storage, get_storage
from tests.support.databases import on_citus
from tests.support.landing import execute, on_postgresql, row, stored, write

pytestmark = pytest.mark.django_db


def test_what_was_logged_is_stored_as_it_was_logged(folder: Path, lander: Lander) -> None:
    logger = logging.Logger("shop.orders")  # noqa: LOG001  (outside logging's tree)
    logger.addHandler(SystemLogHandler())
    logger.error(
        "tab\tline\nbreak\r back\\slash %s ü \U0001f600",
        "x",
        extra={"order": 7, "text": 'q"\\u0041\n', "big": 2**70, "subject": "shop.order:7"},
    )
    lander.land_all()
    record = SystemLog.objects.get()
    assert record.message == "tab\tline\nbreak\r back\\slash x ü \U0001f600"
    assert record.context == {"order": 7, "text": 'q"\\u0041\n', "big": 2**70}
    assert (record.level, record.category, record.source, record.subject) == (
        "ERROR",
        "shop.orders",
        "here",
        "shop.order:7",
    )
    assert record.correlation_id is None


def test_a_row_comes_back_as_it_went_in(folder: Path, lander: Lander) -> None:
    rows = [
        row("now"),
        row("long ago", ago=timedelta(days=5000)),
        row("\\N"),
        row("")._replace(user_id="\\N", context={}),
    ]
    write(folder, rows)
    lander.land_all()
    for each in rows:
        record = SystemLog.objects.get(id=each.id)
        assert tuple(getattr(record, name) for name in each._fields) == each


def test_landing_goes_on_where_it_was(folder: Path, lander: Lander) -> None:
    segment = write(folder, [row("1")])
    assert lander.land_once() == 1
    os.write(segment.descriptor, frame(encode(row("2")), 1))
    assert Lander(folder).land_all() == 1
    assert lander.land_all() <= 1  # it finds that another did it
    assert stored() == ["1", "2"]


def test_a_batch_takes_of_many_segments_and_no_more_than_it_may(folder: Path) -> None:
    kept = [write(folder, [row(f"{segment}-{number}") for number in range(3)]) for segment in range(4)]
    small = Lander(folder, batch_lines=5)
    with CaptureQueriesContext(connections[conf().DATABASE]) as queries:
        small.land_once()
    assert SystemLog.objects.count() == 5
    assert len(queries) < 15
    small.land_all()
    assert SystemLog.objects.count() == 12
    del kept


def test_a_segment_that_another_lander_removed_counts_as_no_record(folder: Path) -> None:
    gone, stays = write(folder, [row("gone")]).path, write(folder, [row("1"), row("2")])

    def storage_that_is_late() -> Storage:
        gone.unlink(missing_ok=True)
        return get_storage()

    assert Lander(folder, storage=storage_that_is_late).land_once() == 2
    assert stored() == ["1", "2"]
    del stays


def test_a_rolled_back_batch_is_landed_later(folder: Path, lander: Lander) -> None:
    write(folder, [row("1"), row("2")])
    with transaction.atomic(using=conf().DATABASE):
        lander.land_all()
        transaction.set_rollback(True, using=conf().DATABASE)
    assert stored() == []
    assert Lander(folder).land_all() == 2
    assert stored() == ["1", "2"]


def test_a_lost_checkpoint_doubles_nothing(folder: Path, lander: Lander) -> None:
    write(folder, [row(str(number)) for number in range(50)])
    lander.land_all()
    Checkpoint.objects.all().delete()
    Lander(folder).land_all()
    assert SystemLog.objects.count() == 50


def test_a_database_that_was_set_back_gets_again_what_it_forgot(
    folder: Path, lander: Lander, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = write(folder, [row("1")])
    lander.land_all()
    before = Checkpoint.objects.get()
    os.write(segment.descriptor, frame(encode(row("2")), 1))
    lander.land_all()
    execute("DELETE FROM system_logs WHERE message = '2'")
    Checkpoint.objects.update(position=before.position)
    monkeypatch.setattr("systemlog.landing.lander.RECHECK_S", 0.0)
    lander.land_all()
    assert stored() == ["1", "2"]


def test_two_landers_at_once_do_no_harm(folder: Path) -> None:
    write(folder, [row(str(number)) for number in range(30)])
    one, other = Lander(folder, batch_lines=7), Lander(folder, batch_lines=4)
    while one.land_once() + other.land_once():
        pass
    assert SystemLog.objects.count() == 30


# -- damage


def test_a_torn_last_line_is_skipped(folder: Path, lander: Lander) -> None:
    write(folder, [row("whole")], noise=frame(encode(row("torn")), 1)[:-4])
    gc.collect()
    lander.land_all()
    assert stored() == ["whole"]
    assert list(Quarantine(folder).lines()) == []
    assert read_state().waiting_bytes == 0


def test_the_end_of_a_line_that_is_being_written_is_waited_for(folder: Path, lander: Lander) -> None:
    whole = row("whole")
    line = frame(encode(row("slow")), 1)
    segment = write(folder, [whole], noise=line[:40])
    lander.land_all()
    assert stored() == ["whole"]
    os.write(segment.descriptor, line[40:])
    lander.land_all()
    assert stored() == ["whole", "slow"]


def test_a_corrupt_line_goes_to_quarantine_and_the_rest_lands(folder: Path, lander: Lander) -> None:
    before = row("before")
    bad = frame(encode(row("corrupt")), 1).replace(b"corrupt", b"corrupu")
    write(folder, [before], noise=bad + frame(encode(row("after")), 1))
    lander.land_all()
    assert stored() == ["before", "after"]
    (line,) = Quarantine(folder).lines()
    assert line.reason == "does not fit its checksum"
    assert sum(read_ledger(folder).quarantined) == 1


@pytest.mark.parametrize("noise", [b"\0" * 5000, b"\n" * 10, b"no frame", b"\n" + b"x" * 5_000_000])
def test_any_noise_between_lines_is_skipped(folder: Path, lander: Lander, noise: bytes) -> None:
    before = row("before")
    write(folder, [before], noise=noise + frame(encode(row("after")), 1))
    gc.collect()
    lander.land_all()
    assert stored() in (["before", "after"], ["after"])
    assert read_state().waiting_bytes == 0


def test_a_segment_of_a_newer_version_goes_to_quarantine_whole(folder: Path, lander: Lander) -> None:
    path = write(folder, [row("from the future")]).path
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"version": 1', b'"version": 2'))
    write(folder, [row("of today")])
    gc.collect()
    lander.land_all()
    assert stored() == ["of today"]
    assert [moved.name for moved in Quarantine(folder).segments()] == [path.name]


# -- what the database refuses


def test_a_row_that_the_database_refuses_is_found_and_the_rest_lands(
    folder: Path, lander: Lander, poisoned: None
) -> None:
    rows = [row("poison" if number == 700 else str(number)) for number in range(1024)]
    write(folder, rows[:500])
    write(folder, rows[500:])
    with CaptureQueriesContext(connections[conf().DATABASE]) as queries:
        lander.land_all()
    assert len(stored()) == 1023
    (line,) = Quarantine(folder).lines()
    assert "poison" in line.reason
    assert b"poison" in line.data
    attempts = sum(query["sql"].startswith("SAVEPOINT") for query in queries)
    # A cluster does not tell a row that it refuses from one that it knows: each attempt is one more.
    most = (2 * 10 + 8) * (2 if on_citus() else 1)
    assert attempts <= most, "about two transactions for each halving of a thousand"


def test_quarantine_takes_a_line_once(folder: Path, poisoned: None) -> None:
    write(folder, [row("poison"), row("good")])
    Lander(folder).land_all()
    Checkpoint.objects.all().delete()
    Lander(folder).land_all()
    assert len(list(Quarantine(folder).lines())) == 1
    assert stored() == ["good"]


def test_a_refused_row_for_which_quarantine_has_no_room_holds_up_its_own_segment_alone(
    folder: Path, lander: Lander, poisoned: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systemlog.landing.rejects.RETRY_S", 3600.0)
    before = row("4")
    bad = frame(encode(row("corrupt")), 1).replace(b"corrupt", b"corrupu")
    kept = [
        write(folder, [row("1"), row("poison"), row("3")]),
        write(folder, [before], noise=bad + frame(encode(row("5")), 1)),
        write(folder, [row("6")]),
    ]
    full = folder / directory.QUARANTINE
    full.write_text("no place for a folder")
    lander.land_all()
    assert sorted(stored()) == ["1", "4", "6"]
    full.unlink()
    later = time.monotonic() + 3601
    monkeypatch.setattr("time.monotonic", lambda: later)
    lander.land_all()
    assert sorted(stored()) == ["1", "3", "4", "5", "6"]
    assert len(list(Quarantine(folder).lines())) == 2
    del kept


def test_a_missing_table_is_reported_and_loses_nothing(
    folder: Path, lander: Lander, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, [row("1")])
    with transaction.atomic(using=conf().DATABASE):
        execute("ALTER TABLE system_log_checkpoint RENAME TO elsewhere")
        # The test's transaction is on this connection.
        monkeypatch.setattr(connections[conf().DATABASE], "close", lambda: None)
        with pytest.raises(DatabaseDown, match="system_log_checkpoint"):
            lander.land_once()
        transaction.set_rollback(True, using=conf().DATABASE)


def test_the_disk_is_asked_to_hold_a_segment_when_something_is_new(
    folder: Path, lander: Lander, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr("systemlog.landing.lander.sync", asked.append)
    quiet, busy = write(folder, [row("1")]), write(folder, [row("2")])
    lander.sync()
    os.write(busy.descriptor, frame(encode(row("3")), 1))
    lander.sync()
    assert asked.count(quiet.path) == 1
    assert asked.count(busy.path) == 2


# -- keeping and removing


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


@pytest.mark.skipif("not config.getoption('db') == 'postgresql'", reason="SQLite has one table, and no partitions")
def test_lines_of_any_time_find_their_partitions(folder: Path, lander: Lander) -> None:
    assert on_postgresql()
    write(folder, [row("old", ago=timedelta(days=365 * n)) for n in range(12)])
    lander.land_all()
    assert SystemLog.objects.count() == 12


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
