"""Tests of failovers: the database forgets the last commits, and the product stores their records again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError

from systemlog.models import SystemLog
from systemlog.records.row import TABLE
from systemlog.retention.prune import prune
from systemlog.storage import Row, get_storage
from systemlog.storage.expiry import Policy
from tests.support.digests import (
    adapted,
    at,
    attack,
    drop_replica,
    fail_over,
    fill,
    replicate,
    row,
    run,
    seal,
    sql,
    verify,
)

pytestmark = pytest.mark.usefixtures("sealed_log")

HOUR, OTHER = "2026-01-02T03", "2026-01-02T04"


@pytest.fixture
def replica(sealed_log: Path) -> Iterator[Callable[[], None]]:
    """A function that makes a replica of the log. `fail_over()` puts the replica in place."""
    yield replicate
    drop_replica()


def insert(*rows: Row) -> None:
    get_storage().insert(rows)


def kinds() -> list[str]:
    """Return the kinds of the digests, in order."""
    return [kind for (kind,) in sql("SELECT kind FROM system_log_digest ORDER BY number")]


def notes() -> int:
    return int(sql("SELECT count(*) FROM system_log_late_note")[0][0])


def prune_hours(until: int = 24) -> None:
    now = datetime.now(UTC)
    prune([Policy(keep=now - at(until))], now=now, trust_clock=True)


LATE = row(at(3, 2, 30), "late")
"""A record between those of the hour."""


def test_minutes_that_come_back_stay_clean(replica: Callable[[], None]) -> None:
    fill(2)
    seal(3)
    replica()
    lost = fill(3)
    seal(4)
    fail_over()
    assert HOUR in verify()
    insert(*lost[:3])
    assert HOUR in verify()
    insert(*lost)
    seal(4)
    assert verify() == []
    assert kinds().count("resealed") == 0
    assert not notes()


@pytest.mark.parametrize("order", ["late first", "late last", "at once"])
def test_minutes_that_come_back_together_with_late_records_stay_clean(replica: Callable[[], None], order: str) -> None:
    fill(2)
    rows = [row(at(3, number), f"m{number}") for number in range(6)]
    seal(3)
    insert(*rows[:2])
    replica()
    insert(*rows)
    seal(4)
    fail_over()
    batches = {"late first": [[LATE], rows], "late last": [rows, [LATE]], "at once": [[*rows[:4], LATE, *rows[4:]]]}
    for batch in batches[order]:
        insert(*batch)
    seal(4)
    assert verify() == []
    assert kinds()[-1] == "resealed"
    assert not notes()
    attack(f"DELETE FROM {TABLE} WHERE message = 'late'")
    assert verify() == [HOUR]


def test_late_records_that_were_taken_in_and_come_back_together_with_others_stay_clean(
    replica: Callable[[], None],
) -> None:
    fill(2, 3)
    seal()
    replica()
    insert(LATE)
    seal()
    fail_over()
    insert(row(at(3, 3, 30), "later"))
    with pytest.raises(CommandError, match=HOUR):
        seal()
    insert(LATE)
    seal()
    assert verify() == []
    assert not notes()


def test_a_late_record_of_an_hour_that_was_sealed_empty_stays_clean(replica: Callable[[], None]) -> None:
    fill(2)
    seal(3)
    replica()
    seal(5)
    fail_over()
    insert(LATE)
    seal(5)
    assert verify() == []
    assert kinds()[-1] == "resealed"


def test_a_note_that_the_failover_brings_back_is_not_taken_in_twice(replica: Callable[[], None]) -> None:
    fill(2, 3)
    seal()
    insert(LATE)
    replica()
    seal()
    fail_over()
    assert notes()
    seal()
    assert verify() == []
    assert not notes()


@pytest.mark.parametrize("hours", [3, 24], ids=["some hours", "all hours"])
def test_a_pruning_that_was_forgotten_leaves_the_records_clean(replica: Callable[[], None], hours: int) -> None:
    fill(2, 3)
    insert(row(at(30), "kept"))
    seal(34)
    insert(LATE)
    replica()
    seal(34)
    prune_hours(hours)
    fail_over()
    seal(34)
    assert kinds()[-1] == "restored"
    assert SystemLog.objects.filter(timestamp__lt=at(24)).count() == 11
    assert verify() == []
    prune_hours(hours)
    assert verify() == []
    attack(f"DELETE FROM {TABLE} WHERE message = 'kept'")
    assert verify() == ["2026-01-03T06"]


def test_records_that_were_altered_while_a_pruning_was_forgotten_are_told(replica: Callable[[], None]) -> None:
    fill(2, 3)
    seal()
    replica()
    prune_hours(3)
    fail_over()
    attack(f"UPDATE {TABLE} SET message = 'other' WHERE timestamp = %s", adapted(at(2, 1)))
    with pytest.raises(CommandError, match="2026-01-02T02"):
        seal()
    assert "2026-01-02T02" in verify()


def test_records_that_do_not_all_come_back_are_told(replica: Callable[[], None]) -> None:
    fill(2)
    seal(3)
    replica()
    lost = fill(3)
    seal(4)
    fail_over()
    insert(*lost[:2], *lost[3:], LATE)
    with pytest.raises(CommandError, match=HOUR):
        seal(4)
    assert HOUR in verify()
    assert run("accept_system_logs", "--reason", "one record was lost for good").startswith(HOUR)
    assert verify() == []


def test_a_record_put_among_those_that_come_back_is_told(replica: Callable[[], None]) -> None:
    fill(2)
    seal(3)
    replica()
    lost = fill(3)
    seal(4)
    fail_over()
    insert(LATE)
    sql("DELETE FROM system_log_late_note")  # as if plain SQL had inserted the record
    insert(*lost)
    with pytest.raises(CommandError, match=HOUR):
        seal(4)
    assert HOUR in verify()


@pytest.mark.parametrize("lists", ["none", "wrong", "cut"])
def test_without_the_list_of_an_hour_nothing_is_made_good(
    replica: Callable[[], None], sealed_log: Path, lists: str
) -> None:
    fill(2)
    seal(3)
    replica()
    lost = fill(3)
    seal(4)
    for file in (sealed_log / "leaves").iterdir():
        whole = file.read_bytes()
        if lists == "none":
            file.unlink()
        else:
            file.write_bytes(whole[:-5] if lists == "cut" else bytes(len(whole)))
    fail_over()
    insert(*lost, LATE)
    with pytest.raises(CommandError, match=HOUR):
        seal(4)
    assert HOUR in verify()


def test_only_the_newest_lists_are_kept(sealed_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systemlog.digests.leaves.MOST_LISTS", 2)
    fill(2, 3, 4)
    seal()
    assert sorted(file.name[:13] for file in (sealed_log / "leaves").iterdir()) == [HOUR, OTHER]
    monkeypatch.setattr("systemlog.digests.leaves.MOST_BYTES", 10)
    insert(LATE)
    seal()
    assert [file.name[:13] for file in (sealed_log / "leaves").iterdir()] == [HOUR]
    assert verify() == []


def test_late_records_that_a_failover_forgot_are_noted_again() -> None:
    fill(3)
    seal()
    insert(LATE)
    attack(f"DELETE FROM {TABLE} WHERE message = 'late'")
    sql("DELETE FROM system_log_late_note")
    assert verify() == []
    insert(LATE)
    seal()
    assert verify() == []


def test_what_is_noted_although_it_was_sealed_already_does_no_harm() -> None:
    fill(3, 4)
    seal()
    lost = fill(3)[:2]
    attack(f"DELETE FROM {TABLE} WHERE timestamp < %s", adapted(at(3, 2)))
    assert verify() == ["2026-01-02T03"]
    get_storage().insert(lost)
    assert notes()
    assert verify() == []
    seal()
    assert not notes()
    assert verify() == []
