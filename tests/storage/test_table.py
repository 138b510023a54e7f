"""The table: defaults for plain SQL, the guard against changes, keys, and partitions for any time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction

from systemlog.conf import conf
from systemlog.models import RecordsAreNeverChanged, SystemLog
from systemlog.records.ids import instant_of, mint_id
from systemlog.retention.prune import prune
from systemlog.storage import Row, get_storage
from systemlog.storage.expiry import Policy
from systemlog.storage.postgresql.partitions import read_partitions

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2003, 8, 6, 9, 52, 50, tzinfo=UTC)


def row(timestamp: datetime = LONG_AGO, record_id: uuid.UUID | None = None, message: str = "m") -> Row:
    return Row(timestamp, record_id or mint_id(timestamp), "INFO", "c", "s", message, None, None, {}, None, None, None)


def test_plain_sql_can_insert_and_its_records_are_like_ours() -> None:
    with connections[conf().DATABASE].cursor() as cursor:
        for number in range(3):
            cursor.execute("INSERT INTO system_logs (message) VALUES (%s)", [f"from SQL {number}"])
    SystemLog.objects.create(message="from Django")
    records = list(SystemLog.objects.all())
    assert len(records) == 4
    for record in records:
        assert (record.level, record.category, record.source, record.context) == ("INFO", "general", "", {})
        assert instant_of(record.id) == record.timestamp
        assert abs(record.timestamp - datetime.now(UTC)) < timedelta(minutes=1)


def test_one_instant_makes_the_timestamp_and_the_id() -> None:
    record = SystemLog.objects.create(message="m")
    assert instant_of(record.id) == record.timestamp
    stored = SystemLog.objects.get()
    assert (stored.id, stored.timestamp) == (record.id, record.timestamp)


def test_a_record_of_any_time_finds_room() -> None:
    instants = [LONG_AGO, datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC) - timedelta(days=40)]
    SystemLog.objects.create(message="m", timestamp=LONG_AGO)
    SystemLog.objects.bulk_create([SystemLog(message="m", timestamp=instant) for instant in instants[1:]])
    assert set(SystemLog.objects.values_list("timestamp", flat=True)) == set(instants)


def test_records_are_never_changed() -> None:
    record = SystemLog.objects.create(message="as it was")
    record.message = "as it never was"
    for change in (
        record.save,
        record.delete,
        SystemLog.objects.all().delete,
        lambda: SystemLog.objects.update(message="x"),
        lambda: SystemLog.objects.filter(pk=record.pk).update(message="x"),
    ):
        with pytest.raises(RecordsAreNeverChanged):
            change()
    alias = conf().DATABASE
    with pytest.raises(IntegrityError), transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("UPDATE system_logs SET message = 'x'")
    assert SystemLog.objects.get().message == "as it was"
    with pytest.raises(RecordsAreNeverChanged):
        SystemLog.objects.bulk_update([record], ["message"])


def test_a_row_whose_key_is_there_is_skipped_one_or_many() -> None:
    rows = [row(LONG_AGO + timedelta(seconds=n)) for n in range(250)]  # SQLite inserts up to 76 by one statement
    storage = get_storage()
    assert storage.insert(rows[:1]) == 1
    assert storage.insert(rows[:1]) == 0
    assert storage.insert(rows[:5]) == 4
    assert storage.insert(rows[:100]) == 95
    assert storage.insert(rows) == 150
    assert storage.insert([*rows, rows[0]]) == 0
    assert SystemLog.objects.count() == 250


def test_one_id_may_stand_at_several_times() -> None:
    chosen = uuid.uuid4()
    assert get_storage().insert([row(LONG_AGO, chosen), row(LONG_AGO + timedelta(days=9000), chosen)]) == 2


def test_every_text_that_the_rules_let_through_is_stored_as_it_is() -> None:
    texts = ["tab\tnewline\nbackslash\\", "\\N", "\\.", "quote\"'", "ünï 😀 \u2028", "\x01\x7f"]
    get_storage().insert([row(LONG_AGO + timedelta(seconds=n), message=text) for n, text in enumerate(texts * 5)])
    assert set(SystemLog.objects.values_list("message", flat=True)) == set(texts)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has partitions")
@pytest.mark.django_db(transaction=True)
def test_many_writers_of_one_missing_partition_create_it_once_beside_an_open_reader() -> None:
    day = datetime(1999, 6, 1, tzinfo=UTC)
    errors: list[Exception] = []

    def write() -> None:
        try:
            get_storage().insert([row(day + timedelta(seconds=n)) for n in range(100)])
        except Exception as error:  # noqa: BLE001  (the assertion below reports it)
            errors.append(error)
        finally:
            connections.close_all()

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM system_logs")  # holds its locks until the block ends
        writers = [threading.Thread(target=write) for _ in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(timeout=30)
    assert not errors
    assert SystemLog.objects.count() == 600
    with connection.cursor() as cursor:
        assert sum(day in partition.span for partition in read_partitions(cursor)) == 1


def test_a_timestamp_is_whatever_django_takes_for_one() -> None:
    for given in ("2020-01-02T03:04:05Z", "2020-01-02 03:04:05", datetime(2020, 1, 2, 3, 4, 5)):  # noqa: DTZ001  (a naive one is what is refused)
        SystemLog.objects.create(message="m", timestamp=given)
    SystemLog.objects.bulk_create([SystemLog(message="m", timestamp="2020-01-02T04:04:05+01:00")])
    assert set(SystemLog.objects.values_list("timestamp", flat=True)) == {datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)}


def test_a_record_before_1970_needs_an_id_of_its_own() -> None:
    old = datetime(1960, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="before 1970 needs an id"):
        SystemLog.objects.create(message="m", timestamp=old)
    SystemLog.objects.create(message="m", timestamp=old, id=uuid.uuid4())
    assert SystemLog.objects.get().timestamp == old


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has partitions")
@pytest.mark.django_db(transaction=True)
def test_writers_and_pruners_of_the_same_partitions_do_not_break_each_other() -> None:
    errors: list[Exception] = []
    policy = Policy(keep=datetime.now(UTC) - datetime(2005, 1, 1, tzinfo=UTC))

    def repeat(action: Callable[[int], object]) -> None:
        try:
            for number in range(15):
                action(number)
        except Exception as error:  # noqa: BLE001  (the assertion below reports it)
            errors.append(error)
        finally:
            connections.close_all()

    def write(number: int) -> None:
        get_storage().insert([row(LONG_AGO - timedelta(days=4000 * (number % 2), seconds=n)) for n in range(30)])

    threads = [threading.Thread(target=repeat, args=(write,)) for _ in range(2)]
    threads += [threading.Thread(target=repeat, args=(lambda _: prune([policy]),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not errors
