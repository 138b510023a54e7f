"""Archives contain the right records, are complete, and can be restored bit for bit."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.retention import archive
from systemlog.retention.prune import ArchiveTo, prune
from systemlog.storage import get_storage
from systemlog.storage.expiry import Policy
from tests.support.retention import NOW, TODAY, ago, messages, row, run, sql

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_partitions")]

Store = Callable[..., None]
DAYS = timedelta(days=1)
STRANGE = 'tab\tline\nback\\slash "quote" \u2028 \x7f ünï 😀 ,"context":{} \\u0041 </script>'


def manifest(directory: Path) -> list[dict[str, Any]]:
    return json.loads((directory / "manifest.json").read_text())["files"]


def lines(directory: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for entry in manifest(directory)
        for line in gzip.decompress((directory / entry["file"]).read_bytes()).splitlines()
    ]


def everything() -> list[tuple[Any, ...]]:
    """Return all columns of all records as the database stores them, in order."""
    columns = "id, timestamp, level, category, source, message, correlation_id, user_id, trace_id, subject, recorded_by"
    text = "context::text" if connections[conf().DATABASE].vendor == "postgresql" else "context"
    return sql(
        f"SELECT {columns}, {text} FROM system_logs WHERE category <> 'systemlog.retention' ORDER BY timestamp, id"
    )


def test_what_is_pruned_and_restored_is_the_same_bit_for_bit(store: Store, tmp_path: Path) -> None:
    store(
        row(ago(40), STRANGE, "CRITICAL", "  odd  category ", order=7, deep={"a": [1.50, None, STRANGE]}),
        row(ago(40) + timedelta(microseconds=1), "password=hunter2 is not redacted a second time"),
        row(ago(900), "x" * 200_000),
        row(ago(20000), "before the year 2000"),
        row(ago(1), "stays"),
    )
    columns = "id, timestamp, message, context, recorded_by, user_id"
    on_postgresql = connections[conf().DATABASE].vendor == "postgresql"
    for literal in ('{"big": 12345678901234567890123, "small": 1.10, "e": 1E+2}', '{\n "spaced": [ 1,\n2 ] }'):
        chosen = row(ago(41), literal).id
        moment = get_storage().connection.ops.adapt_datetimefield_value(ago(41))
        plain = f"INSERT INTO system_logs ({columns}) VALUES (%s, %s, '', %s, 'r', '')"
        sql(plain, chosen if on_postgresql else chosen.hex, moment, literal)
    before = [tuple(str(value).replace("\n", " ") for value in each) for each in everything()]
    done = run("archive_system_logs", "--before", "30d", "--to", str(tmp_path / "cold"), "--prune")
    assert "6 records older than" in done
    assert "6 deleted" in done
    assert messages() == {"stays"}
    restored = run("import_system_logs", str(tmp_path / "cold"))
    assert "0 refused" in restored
    assert [tuple(str(value).replace("\n", " ") for value in each) for each in everything()] == before
    assert " 0 stored" in run("import_system_logs", *map(str, (tmp_path / "cold").glob("*.gz")))


def test_the_manifest_tells_what_is_in_each_file(store: Store, tmp_path: Path) -> None:
    store(*(row(ago(40) + timedelta(seconds=n), f"{n}") for n in range(30)), row(ago(1)))
    run("archive_system_logs", "--before", "30d", "--to", str(tmp_path))
    (entry,) = manifest(tmp_path)
    file = tmp_path / entry["file"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["sha256"]
    assert (entry["rows"], entry["bytes"]) == (30, file.stat().st_size)
    assert entry["since"] == f"{ago(40):%Y-%m-%dT%H:%M:%S.%fZ}"
    assert entry["until"] == f"{ago(40) + timedelta(seconds=29):%Y-%m-%dT%H:%M:%S.%fZ}"
    assert [line["message"] for line in lines(tmp_path)] == [f"{n}" for n in range(30)]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == sorted(
        [file.name, "manifest.json"]
    )


def test_the_same_records_are_not_archived_twice_and_later_ones_beside_them(store: Store, tmp_path: Path) -> None:
    store(row(ago(40)))
    for _ in range(2):
        assert run("archive_system_logs", "--before", "30d", "--to", str(tmp_path)).startswith("1 record")
    assert len(manifest(tmp_path)) == 1
    store(row(ago(40), "later"))
    run("archive_system_logs", "--before", "30d", "--to", str(tmp_path))
    assert [entry["rows"] for entry in manifest(tmp_path)] == [1, 2]
    assert len({entry["file"] for entry in manifest(tmp_path)}) == 2


def test_a_policy_archives_what_it_names_and_only_that(store: Store, settings: Any, tmp_path: Path) -> None:
    policies = [{"category": "audit", "keep": "30d", "archive": True}, {"keep": "30d"}]
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "RETENTION": policies, "ARCHIVE_DIR": str(tmp_path)}
    store(row(ago(40), "secret", category="audit"), row(ago(40), "noise"), row(ago(1), "young", category="audit"))
    assert "1 record archived, 2 records deleted." in run("prune_system_logs")
    assert [line["message"] for line in lines(tmp_path)] == ["secret"]
    assert messages() == {"young"}


def test_what_cannot_be_read_again_is_not_deleted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty(gzip.GzipFile):
        def write(self, data: Any) -> int:
            return super().write(bytes(data).replace(b"order", b"0rder"))

    monkeypatch.setattr(archive, "writing", lambda file, compression: Faulty("", "wb", 4, file))
    store(row(ago(40), "an order"))
    with pytest.raises(CommandError, match="could not be read again as it was written"):
        run("archive_system_logs", "--before", "30d", "--to", str(tmp_path), "--prune")
    assert messages() == {"an order"}
    assert not list(tmp_path.glob("*.gz"))
    assert not list(tmp_path.glob("*.part"))


def test_a_directory_that_cannot_be_written_is_named_and_nothing_goes(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store(row(ago(40)))
    with pytest.raises(CommandError, match=r"file/cold cannot be written: .*Nothing was deleted"):
        run("archive_system_logs", "--before", "30d", "--to", str(tmp_path / "file" / "cold"), "--prune")
    assert messages() == {"m"}


def test_a_damaged_file_is_not_restored(store: Store, tmp_path: Path) -> None:
    store(row(ago(40)))
    run("archive_system_logs", "--before", "30d", "--to", str(tmp_path))
    (file,) = tmp_path.glob("*.gz")
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"web", b"bew")))
    with pytest.raises(CommandError, match="its SHA-256 is not that of the manifest"):
        run("import_system_logs", str(tmp_path))
    file.unlink()
    with pytest.raises(CommandError, match="which its manifest names; nothing was imported"):
        run("import_system_logs", str(tmp_path))


def test_records_that_come_while_others_are_archived_are_in_the_archive_or_still_there(
    store: Store, tmp_path: Path
) -> None:
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:
        try:
            while not stop.is_set():
                get_storage().insert([row(ago(40), f"late {len(written)}")])
                written.append(f"late {len(written)}")
        finally:
            connections.close_all()

    store(*(row(ago(40), f"{n}") for n in range(300)))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            prune([Policy(keep=30 * DAYS, archive=True)], archive_to=ArchiveTo(tmp_path))
    finally:
        stop.set()
        writer.join(timeout=60)
    archived = {line["message"] for line in lines(tmp_path)}
    assert written
    assert archived | messages() == {f"{n}" for n in range(300)} | set(written)


@pytest.mark.parametrize("before", [f"{TODAY - 30 * DAYS:%Y-%m-%d}", f"{ago(30):%Y-%m-%dT%H:%M:%SZ}", "30d", "4w"])
def test_before_is_an_age_a_date_or_a_time(store: Store, tmp_path: Path, before: str) -> None:
    store(row(ago(40)), row(ago(1)))
    assert run("archive_system_logs", "--before", before, "--to", str(tmp_path)).startswith("1 record")


@pytest.mark.parametrize("before", ["", "soon", "2026-13-01", f"{NOW + DAYS:%Y-%m-%d}"])
def test_any_other_before_is_refused(tmp_path: Path, before: str) -> None:
    with pytest.raises(CommandError, match="--before"):
        run("archive_system_logs", "--before", before, "--to", str(tmp_path))


def test_zstandard_is_read_and_written_where_it_is_installed(store: Store, tmp_path: Path) -> None:
    store(row(ago(40), STRANGE), row(ago(40), "n"))
    before = everything()
    run("archive_system_logs", "--before", "30d", "--to", str(tmp_path), "--compression", "zstd", "--prune")
    (file,) = tmp_path.glob("*.ndjson.zst")
    assert not messages()
    assert "2 stored" in run("import_system_logs", str(file))
    assert everything() == before


def test_duckdb_reads_an_archive(store: Store, tmp_path: Path) -> None:
    import duckdb

    store(*(row(ago(40) + timedelta(seconds=n), f"{n} {STRANGE}", order=n) for n in range(10)))
    for compression in ("gzip", "zstd"):
        to = tmp_path / compression
        run("archive_system_logs", "--before", "30d", "--to", str(to), "--compression", compression)
        query = f"SELECT count(*), min(timestamp), sum(context.order) FROM read_json('{to}/*.ndjson.*')"
        assert duckdb.sql(query).fetchall() == [(10, ago(40), 45)]


def test_the_queries_of_the_docs_give_every_record_however_many_there_are(tmp_path: Path) -> None:
    import duckdb

    docs = (Path(__file__).parents[2] / "docs/retention.md").read_text()
    [queries] = re.findall(r"```sql\n(SELECT.*?)```", docs, re.DOTALL)
    count = 25_000  # more records than DuckDB reads to infer the columns
    with gzip.open(tmp_path / "logs.ndjson.gz", "wt", compresslevel=1) as file:
        for number in range(count):
            last = number == count - 1
            record = {
                "timestamp": "2026-01-02T03:04:05.000006Z",
                "level": "INFO",
                "category": "late" if last else "early",
                "message": "m",
                "correlation_id": "found" if last else None,
                "context": {"order": {"id": 7}} if last else {"order": 7},
            }
            file.write(json.dumps(record) + "\n")
    queries = queries.replace("/srv/archive/logs", str(tmp_path)).replace("'…'", "'found'")

    counted, found = (duckdb.sql(query).fetchall() for query in queries.split(";") if query.strip())

    assert sorted(counted) == [("early", "INFO", count - 1), ("late", "INFO", 1)]
    assert [(message, order) for _, message, order in found] == [("m", '{"id":7}')]


@pytest.mark.skipif(shutil.which("lnav") is None, reason="lnav is not installed")
def test_lnav_reads_an_archive_by_the_format_of_the_docs(store: Store, tmp_path: Path) -> None:
    store(row(ago(40), "first"), row(ago(39.9), "second", "ERROR"))
    run("archive_system_logs", "--before", "30d", "--to", str(tmp_path))
    formats = tmp_path / "config" / "formats" / "installed"
    formats.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "docs" / "system_logs.lnav.json", formats)
    query = ";SELECT log_level, category, log_body FROM system_logs"
    done = subprocess.run(
        ["lnav", "-I", tmp_path / "config", "-n", "-c", query, "-c", ":write-csv-to -", *tmp_path.glob("*.gz")],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.splitlines() == ["log_level,category,log_body", "info,web,first", "error,web,second"]
    assert SystemLog.objects.count() == 2


def test_an_archive_makes_no_folders_above_its_own(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or directory"):
        run("archive_system_logs", "--before", "1d", "--to", str(tmp_path / "volume" / "cold"))
    assert not (tmp_path / "volume").exists()
