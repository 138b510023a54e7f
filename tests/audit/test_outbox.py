"""An outbox that nobody drains is noticed, and a large one is drained in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from systemlog.audit.draining import drain_batch, drain_waiting, waiting_age_s
from systemlog.models import SystemLog
from systemlog.probes import audit_outbox, collect_audit
from systemlog.storage import get_storage
from tests.support.audit import forget_changes

Told = Callable[..., Any]

ROWS = 100_000
MOST_BYTES = 64 * 2**20


def grow_old(seconds: float) -> None:
    """Make the changes in the outbox so much older."""
    older = {
        "postgresql": "UPDATE system_audit_outbox SET at = at - make_interval(secs => %s)",
        "sqlite": "UPDATE system_audit_outbox SET at = datetime(at, '-' || %s || ' seconds')",
    }
    with connection.cursor() as cursor:
        cursor.execute(older[connection.vendor], [seconds])


def age() -> float:
    """The metric."""
    (family,) = collect_audit()
    assert family.name == "systemlog_audit_outbox_oldest_change_age_seconds"
    return float(family.samples[0].value)


def test_a_change_that_waits_is_warned_of_and_measured(shop: Any, told: Told) -> None:
    assert audit_outbox() is None
    assert age() == 0
    shop.Tag.objects.create(name="a")
    assert audit_outbox() is None
    grow_old(90)
    assert 90 <= age() < 150
    assert "is a lander at work" in (audit_outbox() or "")
    told()
    assert audit_outbox() is None
    assert age() == 0


def test_the_platform_has_the_probe_and_the_metric() -> None:
    assert "systemlog.probes.audit_outbox" in [
        each["PROBE"] for each in settings.HEALTH["PROBES"].values() if isinstance(each, dict) and "PROBE" in each
    ]
    assert "systemlog.probes.collect_audit" in settings.HEALTH["COLLECTORS"]


def test_a_statement_of_100_000_rows_is_landed_in_bounded_memory(shop: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s) "
            "INSERT INTO shop_tag (name) SELECT 'tag ' || n FROM numbers",
            [ROWS],
        )
    tracemalloc.start()
    try:
        taken, more = drain_batch(connections["default"], get_storage())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken
    assert more, "others wait behind a batch"
    assert most < MOST_BYTES
    landed = SystemLog.objects.filter(category="audit.create").count()
    assert 0 < landed < ROWS
    forget_changes()
    assert drain_waiting() == 0


def test_a_database_whose_file_is_missing_is_not_created(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing.sqlite3"
    entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(missing)}
    configured = connections.configure_settings({"default": {}, "missing": entry})["missing"]
    monkeypatch.setitem(connections.settings, "missing", configured)
    monkeypatch.setattr("systemlog.audit.draining.aliases", lambda: ["missing"])
    assert (waiting_age_s(), drain_waiting()) == (0.0, 0)
    assert not missing.exists(), "an empty file would hide from probes that the database is gone"
