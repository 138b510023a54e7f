"""Segments that are damaged or of another version, and rows that the database refuses."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from systemlog.conf import conf
from systemlog.journal import directory, read_state
from systemlog.journal.framing import frame
from systemlog.landing import DatabaseDown, Lander
from systemlog.landing.quarantine import Quarantine
from systemlog.landing.stats import read_ledger
from systemlog.models import Checkpoint
from systemlog.records.copy_text import encode
from tests.support.databases import on_citus
from tests.support.landing import execute, row, stored, write

pytestmark = pytest.mark.django_db


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
