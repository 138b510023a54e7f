"""Attacks by the owner of the database: verification reports each with its hour, and sealing hides none of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from systemlog.digests import keys
from systemlog.records.row import COLUMN_LIST, TABLE
from systemlog.storage import get_storage
from tests.support.digests import (
    adapted,
    adapted_id,
    at,
    attack,
    fill,
    on_postgresql,
    row,
    run,
    seal,
    sql,
    undone,
    verify,
)

pytestmark = pytest.mark.usefixtures("sealed_log")

HOUR, OTHER = "2026-01-02T03", "2026-01-02T04"
IN_HOUR = "timestamp >= %s AND timestamp < %s"


def span(hour: int = 3) -> list[Any]:
    """Return start and end of an hour in the form of the database."""
    return [adapted(at(hour)), adapted(at(hour + 1))]


def one(number: int = 2) -> list[Any]:
    """Return the key of a record of the hour in the form of the database."""
    return [adapted(at(3, number)), adapted_id(row(at(3, number), f"m{number}").id)]


def change(column: str, value: str) -> Callable[[], None]:
    """Return an attack that changes one value of one record."""
    return lambda: attack(f"UPDATE {TABLE} SET {column} = {value} WHERE timestamp = %s AND id = %s", *one())


def insert(minute: int) -> None:
    other = row(at(3, minute), "forged")
    values = [adapted(other.timestamp), adapted_id(other.id), *other[2:8], "{}", *other[9:]]
    attack(f"INSERT INTO {TABLE} ({COLUMN_LIST}) VALUES ({', '.join(['%s'] * 12)})", *values)


def delete() -> None:
    attack(f"DELETE FROM {TABLE} WHERE timestamp = %s AND id = %s", *one())


def swap() -> None:
    (first,) = sql(f"SELECT message FROM {TABLE} WHERE timestamp = %s AND id = %s", *one(1))[0]
    attack(f"UPDATE {TABLE} SET message = 'm2' WHERE timestamp = %s AND id = %s", *one(1))
    attack(f"UPDATE {TABLE} SET message = %s WHERE timestamp = %s AND id = %s", first, *one(2))


def delete_and_insert() -> None:
    delete()
    insert(2)


ATTACKS: dict[str, Callable[[], None]] = {
    "message": change("message", "'another'"),
    "actor": change("recorded_by", "'bob'"),
    "null for a text": change("correlation_id", "NULL"),
    "empty text for null": change("user_id", "''"),
    "context": change("context", """'{"n": 2, "f": 1.25}'"""),
    "one unit of a long number": change("context", """'{"n": 12345678901234567891}'"""),
    "level": change("level", "'DEBUG'"),
    "deleted": delete,
    "inserted": lambda: insert(30),
    "inserted for a deleted one": delete_and_insert,
    "swapped": swap,
    "moved in its hour": lambda: attack(
        f"UPDATE {TABLE} SET timestamp = %s WHERE timestamp = %s AND id = %s", adapted(at(3, 2, 1)), *one()
    ),
    "hour emptied": lambda: attack(f"DELETE FROM {TABLE} WHERE {IN_HOUR}", *span()),
}


def test_an_altered_hour_is_told_and_sealing_does_not_make_it_good(sealed_log: Path) -> None:
    fill(2, 3, 4)
    seal()
    for name, alter in ATTACKS.items():
        assert verify() == [], name
        with undone(sealed_log):
            alter()
            assert verify() == [HOUR], name
            fill(7)
            seal(9)
            assert verify() == [HOUR], name


def test_a_record_moved_to_another_hour_is_told_in_both() -> None:
    fill(3, 4)
    seal()
    attack(f"UPDATE {TABLE} SET timestamp = %s WHERE timestamp = %s AND id = %s", adapted(at(4, 50)), *one())
    assert verify() == [HOUR, OTHER]


def test_a_record_put_into_an_empty_hour_is_told() -> None:
    fill(1, 5)
    seal()
    insert(10)
    assert verify() == [HOUR]


def test_a_record_before_the_oldest_is_told() -> None:
    fill(5)
    seal()
    insert(10)
    assert verify() == [HOUR]


def test_a_forged_note_makes_no_inserted_record_good(tmp_path: Path, settings: Any) -> None:
    fill(3)
    seal()
    mine = settings.SYSTEMLOG
    keys.create(tmp_path / "forged.key")
    settings.SYSTEMLOG = {**mine, "DIGEST_KEY": str(tmp_path / "forged.key")}
    get_storage().insert([row(at(3, 40), "forged")])  # noted, but by another key
    settings.SYSTEMLOG = mine
    assert verify() == [HOUR]
    seal()
    assert verify() == [HOUR]


def test_a_note_cannot_be_used_again() -> None:
    fill(3)
    seal()
    get_storage().insert([row(at(3, 40), "late")])
    notes = sql("SELECT id, hour, line FROM system_log_late_note")
    seal()
    assert verify() == []
    delete_late = f"DELETE FROM {TABLE} WHERE message = %s"
    attack(delete_late, "late")
    sql("INSERT INTO system_log_late_note (id, hour, line) VALUES (%s, %s, %s)", *notes[0])
    assert verify() == [HOUR]
    seal(7)
    assert verify() == [HOUR]


def test_a_late_record_that_is_deleted_before_its_note_is_taken_in_is_told() -> None:
    fill(3)
    seal()
    get_storage().insert([row(at(3, 40), "late")])
    assert verify() == []
    attack(f"DELETE FROM {TABLE} WHERE message = %s", "late")
    assert verify() == [HOUR]
    with pytest.raises(CommandError, match=HOUR):
        seal()
    assert verify() == [HOUR]


def test_digests_whose_tail_is_cut_are_told(sealed_log: Path) -> None:
    fill(3)
    seal(4)
    fill(4)
    seal(5)
    sql("DELETE FROM system_log_digest WHERE number = (SELECT max(number) FROM system_log_digest)")
    assert OTHER in verify()


def test_digests_that_are_all_deleted_are_told() -> None:
    fill(3)
    seal()
    sql("DELETE FROM system_log_digest")
    assert HOUR in verify()


def test_records_altered_under_a_cut_tail_are_told_and_not_sealed_anew() -> None:
    fill(3)
    seal(4)
    fill(4)
    seal(5)
    sql("DELETE FROM system_log_digest WHERE number = (SELECT max(number) FROM system_log_digest)")
    attack(f"DELETE FROM {TABLE} WHERE {IN_HOUR} AND message = 'm1'", *span(4))
    with pytest.raises(CommandError, match=OTHER):
        seal(6)
    assert OTHER in verify()


def test_an_old_state_of_the_database_that_is_filled_and_sealed_again_is_told() -> None:
    fill(3)
    seal(4)
    digests = sql("SELECT number, kind, hour, line FROM system_log_digest")
    fill(4)
    seal(5)
    attack(f"DELETE FROM {TABLE} WHERE {IN_HOUR}", *span(4))
    sql("DELETE FROM system_log_digest WHERE number > %s", len(digests))
    assert OTHER in verify()
    fill(4, count=3)
    with pytest.raises(CommandError, match=OTHER):
        seal(5)
    with pytest.raises(CommandError, match=OTHER):
        seal(8)
    assert OTHER in verify()


def test_all_digests_replaced_under_another_key_are_told(tmp_path: Path, settings: Any) -> None:
    fill(3, 4)
    seal()
    mine = settings.SYSTEMLOG
    keys.create(tmp_path / "forged.key")
    sql("DELETE FROM system_log_digest")
    sql("DELETE FROM system_log_digest_frontier")
    change("message", "'another'")()
    settings.SYSTEMLOG = {
        **mine,
        "DIGEST_KEY": str(tmp_path / "forged.key"),
        "DIGEST_DIR": str(tmp_path / "forged"),
    }
    seal()
    assert verify() == []
    settings.SYSTEMLOG = mine
    assert HOUR in verify()
    with pytest.raises(CommandError):
        seal(9)
    settings.SYSTEMLOG = {**mine, "DIGEST_DIR": str(tmp_path / "empty")}  # a host that has seen nothing yet
    assert HOUR in verify()
    with pytest.raises(CommandError):
        seal(9)
    assert HOUR in verify()


def test_a_changed_digest_is_told(sealed_log: Path) -> None:
    fill(3)
    seal()
    (number, line) = sql("SELECT number, line FROM system_log_digest WHERE hour = %s", adapted(at(3)))[0]
    said = json.loads(line)
    said["count"] += 1
    sql("UPDATE system_log_digest SET line = %s WHERE number = %s", json.dumps(said, separators=(",", ":")), number)
    assert HOUR in verify()
    (sealed_log / "digests.ndjson").unlink()
    assert verify() != []


def test_a_partition_that_is_dropped_is_told_with_its_hours() -> None:
    if not on_postgresql():
        pytest.skip("SQLite has no partitions")
    fill(3, 4)
    seal()
    partition = sql(f"SELECT tableoid::regclass::text FROM {TABLE} WHERE timestamp = %s", adapted(at(3)))[0][0]
    sql(f"DROP TABLE {partition}")
    assert verify() == [HOUR, OTHER]
    fill(4)
    assert HOUR in verify()
    seal(9)
    assert HOUR in verify()


def test_accepting_is_the_way_on_and_stays_in_the_chain() -> None:
    fill(3)
    seal()
    delete()
    assert verify() == [HOUR]
    assert HOUR in run("accept_system_logs", "--reason", "restored from the backup of Friday")
    assert verify() == []
    assert "Friday" in sql("SELECT line FROM system_log_digest ORDER BY number DESC")[0][0]
    insert(30)
    assert verify() == [HOUR]
