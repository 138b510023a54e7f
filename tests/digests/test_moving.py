"""A log moves from SQLite to PostgreSQL by its archive, across two real databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError

from systemlog.models import SystemLog
from systemlog.records.row import TABLE
from systemlog.storage import get_storage
from tests.support.digests import at, attack, row, run, seal, sql, verify
from tests.support.servers import fresh_platform

pytestmark = pytest.mark.usefixtures("sealed_log")

HOUR = "2026-01-02T03"
FILL = f"""
from django.core.management import call_command
from ops_platform.startup import migrate
from systemlog.storage import get_storage
from tests.support.digests import at, fill, row, seal, sql, verify
migrate(0)
fill(2, 3)
odd = [
    row(at(4), "no microseconds", n=1.0, big=2**70, small=1e-7, exact=0.1 + 0.2),
    row(at(4, 1, 0.000001), "é\\u2028\\U0001f600 e\\u0301", nested={{"b": [1, 1.0, None, ""], "a": {{}}}}),
    row(at(4, 2), "", text="\\\\u0000", quote='"', path="a\\\\b"),
]
get_storage().insert(odd)
sql("INSERT INTO {TABLE} (timestamp, id, message, context) VALUES (%s, %s, %s, %s)",
    "2026-01-02 05:00:00", "0" * 31 + "1", "plain SQL", '{{"b": 1.50, "a": 1e3, "c": 123456789012345678901234567890}}')
seal(6)
get_storage().insert([row(at(3, 30), "late")])
seal(6)
assert verify() == []
get_storage().insert([row(at(3, 40), "late, and not taken in")])
call_command("archive_system_logs", "--before", "2026-01-04", "--to", ARCHIVE)
seal(7)
assert verify("--archive", ARCHIVE) == []
"""


@pytest.fixture
def archive(sealed_log: Path, key: Path, tmp_path: Path) -> Path:
    """The archive of a sealed log in SQLite, which had the key and the digests of `sealed_log`."""
    (tmp_path / "old").mkdir()
    with fresh_platform(tmp_path / "old", None) as old:
        old.environment.update(SYSTEMLOG_DIGEST_KEY=str(key), SYSTEMLOG_DIGEST_DIR=str(sealed_log))
        old.manage("shell", "--verbosity=0", "--command", FILL.replace("ARCHIVE", repr(str(tmp_path / "archive"))))
    return tmp_path / "archive"


def test_a_log_moves_from_sqlite_to_postgresql_by_its_archive(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, key: Path
) -> None:
    if pytestconfig.getoption("db") != "postgresql":
        pytest.skip("moves to PostgreSQL")
    archive = request.getfixturevalue("archive")
    assert HOUR in verify()
    run("import_system_logs", str(archive))
    attack(f"DELETE FROM {TABLE} WHERE message = 'late'")
    with pytest.raises(CommandError, match=HOUR):
        seal(7)
    assert HOUR in verify()
    assert not sql("SELECT 1 FROM system_log_digest")
    run("import_system_logs", str(archive))
    assert SystemLog.objects.filter(timestamp__lt=at(24)).count() == 16
    assert verify("--archive", str(archive)) == []
    seal(7)
    assert verify("--archive", str(archive), "--public-key", f"{key}.pub") == []
    get_storage().insert([row(at(3, 50), "late in the new database")])
    seal(8)
    assert verify() == []
    attack(f"""UPDATE {TABLE} SET context = jsonb_set(context, '{{a}}', '1001') WHERE message = 'plain SQL'""")
    assert verify() == ["2026-01-02T05"]
