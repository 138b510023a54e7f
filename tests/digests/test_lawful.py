"""Tests that lawful changes of sealed hours verify: late records, retention, archives and failovers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.recording import record_atomically
from systemlog.records.row import TABLE
from systemlog.retention.prune import ArchiveTo, prune
from systemlog.storage import get_storage
from systemlog.storage.expiry import Policy
from tests.support.digests import DAY, at, attack, fill, on_postgresql, row, run, seal, sql, verify

pytestmark = pytest.mark.usefixtures("sealed_log")


def digests() -> list[str]:
    """Return the kinds of the digests, in order."""
    return [kind for (kind,) in sql("SELECT kind FROM system_log_digest ORDER BY number")]


def notes() -> int:
    return int(sql("SELECT count(*) FROM system_log_late_note")[0][0])


def insert_rows() -> None:
    get_storage().insert([row(at(3, 40), "late"), row(at(7, 1), "not late")])


def insert_many() -> None:
    get_storage().insert([row(at(3, 40, number / 100), "late") for number in range(100)])


def insert_durably() -> None:
    get_storage().insert_durably([row(at(3, 40), "late")])


def create() -> None:
    SystemLog.objects.create(timestamp=at(3, 41), message="late", context={"pi": 3.1415926535897931, "é": ["\u2028"]})


def save_naive_text() -> None:
    SystemLog(timestamp="2026-01-02T03:41:00Z", message=17, user_id=5).save()


def bulk_create() -> None:
    SystemLog.objects.bulk_create(
        [SystemLog(timestamp=at(2 + n % 3, 41, n / 1000), message=f"b{n}") for n in range(50)]
    )


def bulk_create_of_stored() -> None:
    first = fill(3)[0]
    SystemLog.objects.bulk_create(
        [
            SystemLog(id=first.id, timestamp=first.timestamp, message="other"),
            SystemLog(timestamp=at(3, 50), message="b"),
        ],
        ignore_conflicts=True,
    )


def record_in_a_transaction() -> None:
    # The time of the record is now, in an hour that is already sealed, as after a clock was set back.
    with transaction.atomic(using=conf().DATABASE):
        record_atomically("a.b", "late", using=conf().DATABASE)


LATE: dict[str, Callable[[], None]] = {
    "rows": insert_rows,
    "many rows": insert_many,
    "rows stored durably": insert_durably,
    "create": create,
    "save of other types": save_naive_text,
    "bulk_create": bulk_create,
    "bulk_create that skips a stored one": bulk_create_of_stored,
}


@pytest.mark.parametrize("name", LATE)
def test_late_records_are_noted_and_taken_in(name: str) -> None:
    fill(2, 3, 4)
    seal()
    LATE[name]()
    assert notes()
    assert verify() == []
    assert "sealed anew" in seal()
    assert not notes()
    assert "resealed" in digests()
    assert verify() == []
    attack(f"DELETE FROM {TABLE} WHERE timestamp > %s AND message <> 'not late'", _adapted(at(3, 39)))
    assert "2026-01-02T03" in verify()


def _adapted(instant: datetime) -> Any:
    return connections[conf().DATABASE].ops.adapt_datetimefield_value(instant)


def test_a_record_whose_transaction_is_rolled_back_leaves_no_note() -> None:
    fill(3)
    seal()
    with transaction.atomic(using=conf().DATABASE):
        create()
        transaction.set_rollback(True, using=conf().DATABASE)
    assert not notes()
    assert verify() == []


def test_what_is_stored_again_is_not_late() -> None:
    fill(3)
    seal()
    fill(3)
    assert not notes()
    seal()
    assert "resealed" not in digests()
    assert verify() == []


def test_a_late_record_of_an_hour_that_is_empty_and_of_one_before_the_oldest() -> None:
    fill(5)
    seal()
    get_storage().insert([row(at(1, 1), "before"), row(DAY - timedelta(days=400), "long before")])
    assert verify() == []
    seal()
    assert verify() == []
    attack(f"DELETE FROM {TABLE} WHERE message = 'long before'")
    assert verify() == [(DAY - timedelta(days=400)).isoformat()[:13]]


def test_sealing_again_does_nothing() -> None:
    fill(3)
    seal()
    before = digests()
    seal()
    seal(4)
    assert digests() == before


def test_an_hour_that_has_not_ended_is_not_sealed() -> None:
    now = datetime.now(UTC)
    get_storage().insert([row(now, "now")])
    seal(now + timedelta(days=400))
    until = json.loads(sql("SELECT line FROM system_log_digest ORDER BY number DESC")[0][0])["until"]
    assert until == now.isoformat()[:13]


def test_ten_empty_years_are_one_digest() -> None:
    get_storage().insert([row(DAY - timedelta(days=3653), "first")])
    seal()
    assert len(digests()) == 4  # the key, the time before the first hour, the first hour, ten years
    assert verify() == []


@pytest.mark.parametrize("keep", ["levels", "all"])
@pytest.mark.parametrize("archived", [False, True])
def test_pruning_stays_clean(keep: str, archived: bool, tmp_path: Path) -> None:
    fill(2, 3, 4)
    get_storage().insert([row(at(3, 30 + n), f"e{n}", level="ERROR") for n in range(3)])
    fill(48)  # in another partition
    seal(50)
    get_storage().insert([row(at(4, 40), "late"), row(at(4, 41), "late", level="ERROR")])
    directory = tmp_path / "archive"
    levels = ("INFO",) if keep == "levels" else ()
    prune_before(at(24), levels=levels, archive_to=directory if archived else None)
    assert "pruned" in digests()
    left = 4 if keep == "levels" else 0
    assert SystemLog.objects.filter(timestamp__lt=at(24)).count() == left
    assert verify(*(["--archive", str(directory)] if archived else [])) == []
    seal(50)
    assert verify() == []
    get_storage().insert([row(at(3, 50), "late again")])
    seal(50)
    assert verify() == []
    attack(f"DELETE FROM {TABLE} WHERE message = 'late again'")
    assert verify() == ["2026-01-02T03"]


def prune_before(instant: datetime, *, archive_to: Path | None = None, **policy: Any) -> None:
    now = datetime.now(UTC)
    policies = [Policy(keep=now - instant, archive=archive_to is not None, **policy)]
    prune(policies, archive_to=ArchiveTo(archive_to) if archive_to else None, now=now, trust_clock=True)


def test_pruning_a_few_records_stays_clean() -> None:
    fill(2, 3, 4)
    get_storage().insert([row(at(3, 30), "e", level="DEBUG"), row(at(4, 30), "e", level="DEBUG")])
    seal()
    prune_before(at(24), levels=("DEBUG",))
    assert digests().count("pruned") == 2
    assert verify() == []


def test_pruning_does_not_make_an_altered_hour_good() -> None:
    fill(2, 3)
    seal()
    attack(f"UPDATE {TABLE} SET message = 'other' WHERE message = 'm1' AND timestamp >= %s", _adapted(at(3)))
    prune_before(at(3, 3), categories=("web",))
    assert verify() == ["2026-01-02T03"]
    run("accept_system_logs", "--reason", "known")
    assert verify() == []


def archive(directory: Path) -> None:
    run("archive_system_logs", "--before", at(48).isoformat().replace("+00:00", "Z"), "--to", str(directory), "--prune")


def test_an_archive_is_verified_and_restored(tmp_path: Path) -> None:
    fill(2, 3)
    seal()
    archive(tmp_path / "a")
    assert not SystemLog.objects.filter(timestamp__lt=at(48)).exists()
    assert verify("--archive", str(tmp_path / "a")) == []
    run("import_system_logs", str(tmp_path / "a"))
    assert verify("--archive", str(tmp_path / "a")) == []
    seal()
    assert digests()[-2:] == ["restored", "restored"]
    assert verify("--archive", str(tmp_path / "a")) == []
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").mkdir()
    assert verify() == []


def test_an_exchanged_and_a_missing_file_of_an_archive_are_told(tmp_path: Path) -> None:
    fill(2, 3)
    seal()
    archive(tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    file = tmp_path / "a" / manifest["files"][0]["file"]
    whole = file.read_bytes()
    file.write_bytes(gzip.compress(gzip.decompress(whole).replace(b'"m1"', b'"m7"', 1)))
    assert verify("--archive", str(tmp_path / "a")) == ["2026-01-02T02"]
    file.write_bytes(whole[:-20])
    assert verify("--archive", str(tmp_path / "a")) == ["2026-01-02T02", "2026-01-02T03"]
    file.unlink()
    assert verify("--archive", str(tmp_path / "a")) == ["2026-01-02T02", "2026-01-02T03"]
    (tmp_path / "a" / "manifest.json").write_text('{"format": "system_logs archive 1", "files": []}')
    assert {"2026-01-02T02", "2026-01-02T03"} <= set(verify("--archive", str(tmp_path / "a")))


def test_an_archive_without_pruning_is_verified_too(tmp_path: Path) -> None:
    fill(2, 3)
    seal()
    run("archive_system_logs", "--before", "2026-01-02T03:02:30Z", "--to", str(tmp_path / "a"))
    assert verify("--archive", str(tmp_path / "a")) == []
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    file = tmp_path / "a" / manifest["files"][0]["file"]
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b'"m2"', b'"m7"')))
    assert verify("--archive", str(tmp_path / "a")) == ["2026-01-02T02", "2026-01-02T03"]


def test_a_log_moves_to_another_database_by_its_archive(tmp_path: Path) -> None:
    fill(2, 3)
    seal()
    run("archive_system_logs", "--before", at(48).isoformat().replace("+00:00", "Z"), "--to", str(tmp_path / "a"))
    lines = sql("SELECT number, kind, hour, line FROM system_log_digest")
    assert lines
    for table in ("system_log_digest", "system_log_digest_frontier", TABLE):  # as if it were a new database
        attack(f"DELETE FROM {table}") if table == TABLE else sql(f"DELETE FROM {table}")
    assert "2026-01-02T03" in verify()
    run("import_system_logs", str(tmp_path / "a"))
    assert verify() == []
    seal()
    assert verify() == []
    assert verify("--archive", str(tmp_path / "a")) == []


def test_merged_and_rewritten_partitions_stay_clean() -> None:
    if not on_postgresql():
        pytest.skip("SQLite has no partitions")
    fill(2, 3)
    seal()
    storage: Any = get_storage()
    with storage.exclusive(lambda: None):
        span = storage._partitions()
        both = [partition for partition in span if at(2) in partition.span]
        storage._merge(both, both[0].span)
    assert verify() == []
