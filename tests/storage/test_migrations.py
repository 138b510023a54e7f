"""Migrations beside writers: no insert waits long for a lock that a migration holds or requests."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from tests.support.databases import on_citus

pytestmark = [
    pytest.mark.skipif("connections[conf().DATABASE].vendor != 'postgresql'", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
]

ROWS = int(os.environ.get("MIGRATED_ROWS", "2000"))
"""Rows that exist before the migrations. It was tried with a million rows."""

FILL = """
    INSERT INTO system_logs (timestamp, id, level, message)
    SELECT now() - i * interval '1 hour' / %s, gen_random_uuid(), 'INFO', 'before ' || i FROM generate_series(1, %s) i
"""


@pytest.fixture
def first_migration_alone() -> Iterator[None]:
    call_command("migrate", "systemlog", "0001", database=conf().DATABASE, verbosity=0)
    yield
    call_command("migrate", "systemlog", database=conf().DATABASE, verbosity=0)


@pytest.mark.usefixtures("first_migration_alone")
@pytest.mark.skipif(on_citus(), reason="writers wait while rows are distributed: docs/scale.md")
def test_a_big_table_is_migrated_while_others_write_and_read() -> None:
    alias = conf().DATABASE
    with connections[alias].cursor() as cursor:
        cursor.execute(FILL, [ROWS, ROWS])
    errors: list[Exception] = []
    stop = threading.Event()
    writing = threading.Barrier(3)
    written = [0, 0]

    def write(number: int) -> None:
        try:
            with connections[alias].cursor() as cursor:
                # An insert that waits longer fails, and so does the test.
                cursor.execute("SET lock_timeout = '500ms'")
                while not stop.is_set():
                    cursor.execute("INSERT INTO system_logs (message) VALUES ('meanwhile')")
                    cursor.execute("SELECT count(*) FROM system_logs WHERE timestamp > now() - interval '1 second'")
                    written[number] += 1
                    if written[number] == 1:
                        writing.wait(timeout=30)
        except Exception as error:  # noqa: BLE001  (the assertion below reports it)
            errors.append(error)
        finally:
            connections[alias].close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    writing.wait(timeout=30)
    try:
        call_command("migrate", "systemlog", database=alias, verbosity=0)
    finally:
        stop.set()
        for writer in writers:
            writer.join(timeout=60)
    assert not errors
    # The end of another test may have emptied tables, which is audited.
    assert SystemLog.objects.filter(category="general").count() == ROWS + sum(written)
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT sum(count) FROM system_log_rollup WHERE category = 'general'")
        assert cursor.fetchone() == (ROWS + sum(written),)
