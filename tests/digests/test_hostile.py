"""Attacks with rows that the product never writes: each is told, and none keeps the verification from ending."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from systemlog.digests import keys, statements
from systemlog.digests.keys import signer
from systemlog.records.row import TABLE
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

NIL = uuid.UUID(int=0)
HOUR, OTHER = "2026-01-02T03", "2026-01-02T04"


def lines() -> list[str]:
    return [line for (line,) in sql("SELECT line FROM system_log_digest ORDER BY number")]


def put_digest(line: str, number: int = 99) -> None:
    sql(
        "INSERT INTO system_log_digest (number, kind, hour, line) VALUES (%s, 'sealed', %s, %s)",
        number,
        adapted(at(3)),
        line,
    )


def forge(**said: Any) -> str:
    """Return the line that would be the next digest, with a signature of zeros."""
    head = statements.read(lines()[-1])
    whole = {**head.said, "number": head.number + 1, "previous": head.sha256, **said}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return f'{text[:-1]},"signature":"{"0" * 128}"}}'


def empty_an_hour_under_a_forged_span() -> None:
    put_digest(
        forge(kind="pruned", hour="2026-01-02T02", hours=4, count=0, gone={"count": 15}), number=len(lines()) + 1
    )
    attack(f"DELETE FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s", adapted(at(3)), adapted(at(4)))


def change_an_hour_and_put(line: Callable[[], str], number: int | None = None) -> Callable[[], None]:
    def work() -> None:
        put_digest(line(), number or len(lines()) + 1)
        attack(f"UPDATE {TABLE} SET message = 'other' WHERE timestamp = %s", adapted(at(3, 1)))

    return work


def exchange_ids_between_hours() -> None:
    first, second = (row(at(hour, 1), "m1").id for hour in (3, 4))
    for hour, other in ((3, second), (4, first)):
        attack(f"UPDATE {TABLE} SET id = %s WHERE timestamp = %s", adapted_id(other), adapted(at(hour, 1)))


ATTACKS: dict[str, tuple[Callable[[], None], set[str]]] = {
    "an hour emptied under a forged span": (empty_an_hour_under_a_forged_span, {HOUR}),
    "a note among the digests": (
        change_an_hour_and_put(
            lambda: statements.write({"kind": "late", "log": "", "hour": HOUR, "records": []}, signer()).line
        ),
        {HOUR},
    ),
    "a digest of endless hours": (change_an_hour_and_put(lambda: forge(hour=HOUR, hours=10**17, count=0)), {HOUR}),
    "a digest of a negative span": (change_an_hour_and_put(lambda: forge(hour=HOUR, hours=-5, count=0)), {HOUR}),
    "a digest of the last hour of time": (
        change_an_hour_and_put(lambda: forge(hour="9999-12-31T23", hours=3, count=0)),
        {HOUR},
    ),
    "a digest far away": (change_an_hour_and_put(lambda: lines()[-1], number=2**62), {HOUR}),
    "a digest below the first": (change_an_hour_and_put(lambda: lines()[-1], number=-5), {HOUR}),
    "no digest": (change_an_hour_and_put(lambda: "[]"), {HOUR}),
    "equal-looking records exchanged between hours": (exchange_ids_between_hours, {HOUR, OTHER}),
    "a record doubled in another hour": (
        lambda: attack(
            f"INSERT INTO {TABLE} (timestamp, id, level, category, source, message, context) "
            f"SELECT %s, id, level, category, source, message, context FROM {TABLE} WHERE timestamp = %s",
            adapted(at(3, 30)),
            adapted(at(4, 1)),
        ),
        {HOUR},
    ),
    "a microsecond": (
        lambda: attack(
            f"UPDATE {TABLE} SET timestamp = %s WHERE timestamp = %s",
            adapted(at(3, 1) + timedelta(microseconds=1)),
            adapted(at(3, 1)),
        ),
        {HOUR},
    ),
    "another normal form of Unicode": (
        lambda: attack(f"UPDATE {TABLE} SET source = 'cafe\u0301' WHERE source = 'café'"),
        {HOUR},
    ),
    "a text for a number": (
        lambda: attack(
            f"""UPDATE {TABLE} SET context = '{{"n": "1", "f": 1.5}}' WHERE timestamp = %s""", adapted(at(3, 1))
        ),
        {HOUR},
    ),
}


def test_what_the_product_never_writes_is_told(sealed_log: Path) -> None:
    fill(2, 3, 4)
    get_storage().insert([row(at(3, 9), "é")._replace(source="café")])
    seal()
    for name, (work, hours) in ATTACKS.items():
        assert verify() == [], name
        with undone(sealed_log):
            work()
            assert hours == set(verify()) & {HOUR, OTHER}, name
            with contextlib.suppress(CommandError):
                seal(8)
            assert hours <= set(verify()), name


def test_a_note_that_is_filed_under_another_hour_is_told_and_seals_nothing_twice() -> None:
    fill(3)
    seal()
    get_storage().insert([row(at(3, 40), "late")])
    sql("UPDATE system_log_late_note SET hour = %s", adapted(at(6)))
    attack(f"DELETE FROM {TABLE} WHERE timestamp < %s", adapted(at(3, 40)))
    assert HOUR in verify()
    seal(8)
    assert HOUR in verify()
    stated = [json.loads(line) for line in lines()]
    assert [one["until"] for one in stated if one["until"]] == sorted(one["until"] for one in stated if one["until"])


ODD_VALUES = {
    "bytes for a message": "message = x'6d31'",
    "bytes for an id": "id = x'00'",
    "bytes that are no UTF-8": "message = CAST(x'ff' AS TEXT)",
    "a source that is no UTF-8": "source = CAST(x'61ff' AS TEXT)",
    "a number for a time": "timestamp = 5",
    "bytes for a time": "timestamp = x'32'",
    "no time": "timestamp = 'zzz'",
    "half a time": "timestamp = '2026-01-02 0'",
    "the 31st of February": "timestamp = '2025-02-31 03:00:00'",
    "another separator": "timestamp = '2026-01-02T03:01:00.5'",
}


def test_values_that_only_sqlite_stores_are_told(sealed_log: Path) -> None:
    if on_postgresql():
        pytest.skip("PostgreSQL refuses these values")
    fill(2, 3, 4)
    seal()
    for name, value in ODD_VALUES.items():
        assert verify() == [], name
        with undone(sealed_log):
            attack(f"UPDATE {TABLE} SET {value} WHERE timestamp = '2026-01-02 03:01:00'")
            assert set(verify()) - {"the log"} == {HOUR}, name
            seal(8)
            assert HOUR in verify(), name


def test_a_record_that_is_inserted_in_no_hour_is_told(sealed_log: Path) -> None:
    fill(2, 3, 4)
    seal()
    on_sqlite = ["5", "x'32'", "'zzz'", "'2026-01-02 0'", "'10000-01-01 00:00:00'", "'-1'"]
    for value in ["'infinity'", "'-infinity'", "'0044-03-15 BC'"] if on_postgresql() else on_sqlite:
        assert verify() == [], value
        with undone(sealed_log):
            if on_postgresql():
                sql(f"CREATE TABLE beyond PARTITION OF {TABLE} DEFAULT")
            attack(f"INSERT INTO {TABLE} (timestamp, id, message) VALUES ({value}, %s, 'm')", adapted_id(NIL))
            assert verify() == ["the log"], value
            if on_postgresql():
                sql("DROP TABLE beyond")


def test_a_table_that_is_gone_is_told_as_an_error() -> None:
    fill(3)
    seal()
    sql("ALTER TABLE system_log_digest RENAME TO gone")
    try:
        with pytest.raises(CommandError, match="system_log_digest"):
            run("verify_system_logs")
        with pytest.raises(CommandError, match="system_log_digest"):
            seal(8)
    finally:
        sql("ALTER TABLE gone RENAME TO system_log_digest")
    assert verify() == []


def test_an_altered_hour_that_is_archived_and_then_dropped_is_told(tmp_path: Path) -> None:
    fill(2, 3)
    seal()
    attack(f"UPDATE {TABLE} SET message = 'other' WHERE timestamp = %s", adapted(at(3, 1)))
    run("archive_system_logs", "--before", "2026-01-04", "--to", str(tmp_path / "a"))
    assert HOUR in verify("--archive", str(tmp_path / "a"))
    run("prune_system_logs", "--older-than", "1d")
    assert HOUR in verify("--archive", str(tmp_path / "a"))


def test_digests_under_a_key_that_introduces_itself_are_not_followed(tmp_path: Path, settings: Any) -> None:
    fill(2, 3)
    seal()
    mine = settings.SYSTEMLOG
    keys.create(tmp_path / "forged.key")
    settings.SYSTEMLOG = {**mine, "DIGEST_KEY": str(tmp_path / "forged.key"), "DIGEST_DIR": str(tmp_path / "copy")}
    (tmp_path / "copy").mkdir(mode=0o700)
    (tmp_path / "copy" / "digests.ndjson").write_text("".join(f"{line}\n" for line in lines()))
    attack(f"DELETE FROM {TABLE} WHERE timestamp = %s", adapted(at(3, 1)))
    run("accept_system_logs", "--reason", "I own this database")
    assert verify() == []
    settings.SYSTEMLOG = mine
    assert HOUR in verify()
    with pytest.raises(CommandError, match="another key"):
        seal(8)
    assert HOUR in verify()
    assert run("accept_system_logs", "--reason", "the forged digests are thrown away").startswith(HOUR)
    assert "I own this database" not in "".join(lines())
    assert verify() == []
