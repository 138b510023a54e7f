"""The lander stores each line once, whatever happens to the checkpoint, the database or another lander."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from systemlog.conf import conf
from systemlog.journal import SystemLogHandler
from systemlog.journal.framing import frame
from systemlog.landing import Lander
from systemlog.models import Checkpoint, SystemLog
from systemlog.records.copy_text import encode
from systemlog.storage import Storage, get_storage
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
    template = "tab\tline\nbreak\r back\\slash %s ü \U0001f600"
    assert record.context == {"order": 7, "text": 'q"\\u0041\n', "big": 2**70, "template": template}
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


@pytest.mark.skipif("not config.getoption('db') == 'postgresql'", reason="SQLite has one table, and no partitions")
def test_lines_of_any_time_find_their_partitions(folder: Path, lander: Lander) -> None:
    assert on_postgresql()
    write(folder, [row("old", ago=timedelta(days=365 * n)) for n in range(12)])
    lander.land_all()
    assert SystemLog.objects.count() == 12
