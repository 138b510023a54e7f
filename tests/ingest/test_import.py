"""`manage.py import_system_logs`."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from systemlog.fingerprints.records import identify
from systemlog.models import SystemLog
from systemlog.storage import get_storage

pytestmark = pytest.mark.django_db

TIME = "2003-08-06T09:52:50Z"
LINE = '{"message": "m", "timestamp": "2003-08-06T09:52:50Z"}'


def run(*files: Path) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import_system_logs", *map(str, files), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "logs.ndjson"


def test_a_second_import_stores_nothing_more(file: Path) -> None:
    file.write_text("".join(json.dumps({"message": str(n), "timestamp": TIME}) + "\n" for n in range(60)))
    assert "60 records read, 60 stored, 0 stored before, 0 refused" in run(file)[0]
    assert "60 records read, 0 stored, 60 stored before, 0 refused" in run(file)[0]
    assert SystemLog.objects.count() == 60


def test_identical_lines_are_records_of_their_own(file: Path) -> None:
    file.write_text(f"{LINE}\n" * 3)
    run(file)
    file.write_text(f"{LINE}\n" * 5)
    assert "2 stored, 3 stored before" in run(file)[0]
    assert SystemLog.objects.count() == 5


def test_a_compressed_file_gives_the_same_records_as_a_plain_one(file: Path, tmp_path: Path) -> None:
    file.write_text(f"{LINE}\n")
    packed = tmp_path / "logs.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    run(file)
    assert "0 stored, 1 stored before" in run(packed)[0]


def test_a_bad_line_is_named_skipped_and_counted(file: Path) -> None:
    file.write_bytes(
        b"\xef\xbb\xbf%(good)s\n\nno json\n"
        b'{"message": "m"}\n{"message": "\xff", "timestamp": "%(time)s"}\n{"message": "%(long)s"}\n%(good)s'
        % {b"good": LINE.encode(), b"time": TIME.encode(), b"long": b"x" * 2**21}
    )
    out, err = run(file)
    assert "6 records read, 2 stored, 0 stored before, 4 refused" in out
    assert [line.removeprefix(f"{file}:").split(":")[0] for line in err.splitlines()] == ["3", "4", "5", "6"]
    assert "timestamp: This field is required." in err


def test_a_file_that_breaks_off_keeps_what_came_before_and_fails(file: Path) -> None:
    whole = gzip.compress("".join(f'{{"message": "{n}", "timestamp": "{TIME}"}}\n' for n in range(5000)).encode())
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CommandError, match=r"breaks off or is damaged after line \d+"):
        run(file)
    kept = SystemLog.objects.count()
    assert 0 < kept < 5000
    file.write_bytes(whole)
    assert f"{5000 - kept} stored, {kept} stored before" in run(file)[0]


def test_a_missing_file_stops_before_anything_is_imported(file: Path, tmp_path: Path) -> None:
    file.write_text(LINE)
    with pytest.raises(CommandError, match="There is no file"):
        run(file, tmp_path / "nowhere")
    assert not SystemLog.objects.exists()


def test_an_exported_record_comes_back_as_it_was(file: Path) -> None:
    exported = {
        "id": "01a20b52-3028-76bd-96fe-09398e1c8cbb",
        "timestamp": "2026-11-24T02:11:05.384421Z",
        "level": "ERROR",
        "category": "billing",
        "message": "charge failed",
        "correlation_id": "c-1",
        "user_id": "7",
        "context": {"order": 7},
        "trace_id": None,
        "source": "web",
        "subject": None,
        "recorded_by": "shipper",
        "group": identify("billing", "charge failed", {"order": 7}).id,
    }
    file.write_text(json.dumps(exported))
    run(file)
    from systemlog.search.rows import represent

    assert represent(SystemLog.objects.get()) == exported


def test_a_file_without_any_record_fails(file: Path) -> None:
    file.write_text("# A readme\n\nNot a record.\n")
    with pytest.raises(CommandError, match=r"2 refused\. No line of it is a record"):
        run(file)


@pytest.mark.parametrize("nuls", [1, 3_000_000])
def test_the_hole_of_a_truncated_file_is_passed_over(file: Path, nuls: int) -> None:
    file.write_bytes(b"\0" * nuls + f"{LINE}\n".encode() * 2)
    assert "2 records read, 2 stored, 0 stored before, 0 refused" in run(file)[0]


def test_storing_no_rows_asks_nothing_of_the_database() -> None:
    assert get_storage().insert([]) == 0
