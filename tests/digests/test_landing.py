"""Tests of digests together with the lander: late and repeated landing, clocks set back, and the lander's duty."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError
from django.db import connections, transaction
from django.test import Client
from django.urls import reverse

from systemlog import probes
from systemlog.conf import conf
from systemlog.digests import duty, keys, verification
from systemlog.digests.frontier import HoursInUse
from systemlog.digests.metrics import LogAltered
from systemlog.digests.sealing import Stopped
from systemlog.digests.sealing import seal as seal_hours
from systemlog.journal import directory
from systemlog.landing import Lander, duties
from systemlog.landing.direct import DirectSink
from systemlog.models import SystemLog
from systemlog.records.copy_text import encode
from systemlog.records.row import TABLE
from systemlog.storage import get_storage
from tests.support.digests import at, attack, fill, on_postgresql, row, run, seal, sql, verify
from tests.support.landing import write


@pytest.fixture
def folder(sealed_log: Path, journal: Callable[..., Path]) -> Path:
    """The folder of a journal whose records land in a sealed log."""
    folder = journal()
    directory.make_folder(folder)
    return folder


def test_what_lands_late_is_noted(folder: Path) -> None:
    fill(3)
    seal()
    write(folder, [row(at(3, 30), "late"), row(at(4, 30), "late"), row(datetime.now(UTC), "now")])
    Lander(folder).land_all()
    assert SystemLog.objects.filter(message="late").count() == 2
    assert verify() == []
    seal()
    assert verify() == []
    attack(f"DELETE FROM {TABLE} WHERE message = 'late'")
    assert verify() == ["2026-01-02T03", "2026-01-02T04"]


def test_what_lands_again_after_a_restore_is_no_other_record(folder: Path) -> None:
    rows = [row(at(3, number), f"m{number}") for number in range(5)]
    write(folder, rows)
    Lander(folder).land_all()
    seal()
    write(folder, [row(at(3, 30), "late")])
    Lander(folder).land_all()
    seal()
    sql("DELETE FROM system_log_checkpoint")  # as if the database had lost the checkpoint
    Lander(folder).land_all()
    assert verify() == []
    attack(f"DELETE FROM {TABLE}")
    assert verify() == ["2026-01-02T03"]
    sql("DELETE FROM system_log_checkpoint")
    Lander(folder).land_all()
    seal()
    assert verify() == []


def test_a_line_that_is_rolled_back_with_its_batch_leaves_no_note(folder: Path) -> None:
    fill(3)
    seal()
    good, bad = row(at(3, 30), "late"), row(at(3, 31), "\\x00")
    write(folder, [good], noise=encode(bad)[:40])
    Lander(folder).land_all()
    assert verify() == []


def test_the_sink_without_a_disk_notes_too(sealed_log: Path) -> None:
    fill(3)
    seal()
    sink = DirectSink()
    assert sink.append(encode(row(at(3, 30), "late")))
    sink.close()
    assert SystemLog.objects.filter(message="late").exists()
    assert verify() == []


def test_with_a_clock_that_was_set_back_records_come_into_sealed_hours(
    sealed_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(3)
    seal(9)
    for minute in range(3):  # the clock says 4 again
        SystemLog.objects.create(timestamp=at(4, minute), message="again")
    seal(5)
    assert verify() == []
    seal(9)
    assert verify() == []


def test_an_hour_is_not_closed_under_a_transaction_that_has_stored_into_it(sealed_log: Path) -> None:
    if not on_postgresql():
        pytest.skip("SQLite has one writer")
    fill(3)
    other = connections.create_connection(conf().DATABASE)
    mine = connections[conf().DATABASE]
    connections[conf().DATABASE] = other
    other.set_autocommit(False)
    try:
        get_storage().insert([row(at(4, 1), "not committed yet")])
        connections[conf().DATABASE] = mine
        with pytest.raises(HoursInUse):
            seal_hours(at(6), tries=2)
        other.commit()
    finally:
        connections[conf().DATABASE] = mine
        other.close()
    seal()
    assert verify() == []
    assert not sql("SELECT * FROM system_log_late_note")


def test_a_transaction_with_an_older_snapshot_notes_what_it_stores(sealed_log: Path) -> None:
    if not on_postgresql():
        pytest.skip("SQLite has one writer")
    fill(3)
    seal(4)
    other = connections.create_connection(conf().DATABASE)
    mine = connections[conf().DATABASE]
    connections[conf().DATABASE] = other
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT 1 FROM system_log_digest_frontier")
        connections[conf().DATABASE] = mine
        seal(6)
        connections[conf().DATABASE] = other
        get_storage().insert([row(at(4, 1), "late")])
        other.commit()
    finally:
        connections[conf().DATABASE] = mine
        other.close()
    assert verify() == []


def test_the_lander_seals_by_the_clock(sealed_log: Path) -> None:
    now = datetime.now(UTC)
    get_storage().insert([row(now - timedelta(hours=2), "two hours ago")])
    assert "digests" in duties._registered
    assert duty.interval() == duty.INTERVAL_S
    duty.run(lambda: False)
    until = json.loads(sql("SELECT line FROM system_log_digest ORDER BY number DESC")[0][0])["until"]
    assert until == (now - timedelta(minutes=5)).isoformat()[:13]
    assert verify() == []
    with pytest.raises(Stopped):
        duty.Throttle(lambda: True)(1)


def test_without_a_key_the_lander_has_no_such_duty(settings: Any) -> None:
    assert duty.interval() is None


def values() -> dict[str, float]:
    """Return the samples of the metrics by name."""
    return {family.name: sample.value for family in probes.collect_digests() for sample in family.samples}


def test_probe_and_metrics_tell_what_is_sealed_and_verified(sealed_log: Path) -> None:
    assert "no hour is sealed" in str(probes.digests())
    fill(3)
    seal()
    assert "2026-01-02T06" in str(probes.digests())
    seal(datetime.now(UTC))
    assert probes.digests() is None
    assert values()["systemlog_digests_sealed_age_seconds"] < 3600
    assert "systemlog_digests_verification_held" not in values()
    assert verify() == []
    assert values()["systemlog_digests_verification_held"] == 1
    attack(f"DELETE FROM {TABLE} WHERE message = 'm1'")
    assert verify()
    assert values()["systemlog_digests_verification_held"] == 0
    with pytest.raises(LogAltered):
        probes.digests()


def test_the_operations_page_tells_it_too(sealed_log: Path, admin_client: Client) -> None:
    fill(3)
    seal(datetime.now(UTC))
    assert verify() == []
    page = admin_client.get(reverse("admin:systemlog_systemlog_operations")).content.decode()
    assert "Each hour is sealed in time. The last verification held." in page
    attack(f"DELETE FROM {TABLE} WHERE message = 'm1'")
    assert verify()
    page = admin_client.get(reverse("admin:systemlog_systemlog_operations")).content.decode()
    assert "not as they were sealed" in page


def test_without_a_key_the_probe_says_nothing(db: None) -> None:
    assert probes.digests() is None
    assert values() == {}


def test_sealing_in_the_middle_of_a_transaction_of_somebody_else_does_not_wait_for_it(sealed_log: Path) -> None:
    fill(3)
    with transaction.atomic(using="default"):
        assert django_settings.DATABASES["default"]
        seal()
    assert verify() == []


def test_another_host_takes_over_the_digests_and_goes_on(sealed_log: Path, tmp_path: Path, settings: Any) -> None:
    fill(3)
    seal(4)
    first, second = settings.SYSTEMLOG, {**settings.SYSTEMLOG, "DIGEST_DIR": str(tmp_path / "second")}
    for number, mine in enumerate((second, first, second, first), 5):
        settings.SYSTEMLOG = mine
        fill(number)
        seal(number + 1)
        assert verify() == []
    assert (tmp_path / "second" / "digests.ndjson").read_bytes() in (sealed_log / "digests.ndjson").read_bytes()


def test_a_frontier_that_was_moved_is_set_right(sealed_log: Path) -> None:
    fill(3)
    seal()
    sql("DELETE FROM system_log_digest_frontier")
    seal()
    get_storage().insert([row(at(3, 30), "late")])
    assert verify() == []


def test_notes_of_a_key_that_was_given_up_count_no_more(sealed_log: Path, key: Path, settings: Any) -> None:
    fill(3)
    seal()
    old, new = settings.SYSTEMLOG, {**settings.SYSTEMLOG, "DIGEST_KEY": str(key.with_name("new"))}
    keys.create(key.with_name("new"))
    get_storage().insert([row(at(3, 30), "late")])
    settings.SYSTEMLOG = new
    get_storage().insert([row(at(3, 31), "late")])
    assert verify() == []
    seal()
    assert verify() == []
    settings.SYSTEMLOG = old
    get_storage().insert([row(at(3, 32), "late")])
    settings.SYSTEMLOG = new
    assert verify() == ["2026-01-02T03"]


def test_a_verification_beside_sealing_tells_nothing_wrong(sealed_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(3)
    seal()
    get_storage().insert([row(at(3, 30), "late")])
    read_chain = verification.verify_chain
    sealed = []

    def read_and_seal(*arguments: Any, **options: Any) -> Any:
        states = read_chain(*arguments, **options)
        if not sealed:
            sealed.append(seal())
        return states

    monkeypatch.setattr(verification, "verify_chain", read_and_seal)
    assert verify() == []
    assert sealed


def test_pruning_without_its_key_says_why_and_deletes_nothing(sealed_log: Path, key: Path) -> None:
    fill(3)
    seal()
    key.chmod(0o644)
    with pytest.raises(CommandError, match="chmod 600"):
        run("archive_system_logs", "--before", "2026-01-04", "--to", str(sealed_log.parent / "a"), "--prune")
    key.chmod(0o600)
    assert verify() == []


@pytest.mark.parametrize("cut", ["a line", "half a line"])
def test_a_digest_that_a_crash_kept_from_going_outside_is_taken_over(sealed_log: Path, cut: str) -> None:
    fill(3)
    seal(4)
    file = sealed_log / "digests.ndjson"
    before = file.read_bytes()
    fill(4)
    seal(5)
    whole = file.read_bytes()
    file.write_bytes(before if cut == "a line" else whole[:-30])
    assert verify() == []
    seal(5)
    assert file.read_bytes() == whole
    assert verify() == []
    seal(6)
    assert verify() == []
