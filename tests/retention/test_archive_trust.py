"""A manifest that another user has written, and how much of it is trusted."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from systemlog.models import SystemLog
from tests.support.retention import ago, messages, row, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_partitions")]

Store = Callable[..., None]
SECRET = "password=hunter2-hunter2"
TIME = "2003-08-06T09:52:50Z"


@pytest.fixture
def cold(store: Store, tmp_path: Path) -> Path:
    """An archive with one record, which is no longer in the database."""
    store(row(ago(40), SECRET))
    run("archive_system_logs", "--before", "30d", "--to", str(tmp_path / "cold"), "--prune")
    return tmp_path / "cold"


def read(cold: Path) -> dict[str, Any]:
    return json.loads((cold / "manifest.json").read_text())


def write(cold: Path, manifest: dict[str, Any]) -> None:
    (cold / "manifest.json").write_text(json.dumps(manifest))


def forge(cold: Path, record: dict[str, Any], **changes: Any) -> None:
    """Replace the records of the archive by others, with the right checksum."""
    manifest = read(cold)
    entry = manifest["files"][0]
    data = gzip.compress(json.dumps(record).encode() + b"\n")
    (cold / entry["file"]).write_bytes(data)
    entry |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} | changes
    write(cold, manifest)


def restore(cold: Path, *arguments: str) -> str:
    return run("import_system_logs", str(cold), *arguments)


def test_a_signed_archive_is_restored_as_it_was(cold: Path) -> None:
    restore(cold)
    assert messages() == {SECRET}


def test_an_archive_signed_with_an_earlier_key_is_restored_as_it_was(cold: Path, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-another-key-another-key-another-key"
    restore(cold)
    assert messages() == {SECRET}


def test_an_archive_signed_with_an_unknown_key_is_refused(cold: Path, settings: Any) -> None:
    settings.SECRET_KEY = "another-key-another-key-another-key-another-key"
    with pytest.raises(CommandError, match="SECRET_KEY_FALLBACKS; or import the file with --unverified"):
        restore(cold)
    assert messages() == set()


def test_records_with_a_signature_that_is_not_valid_keep_to_the_rules_if_asked_for(cold: Path, settings: Any) -> None:
    settings.SECRET_KEY = "another-key-another-key-another-key-another-key"
    restore(cold, "--unverified")
    (message,) = messages()
    assert "hunter2" not in message


def test_without_a_signature_records_are_redacted(cold: Path) -> None:
    forge(cold, {"message": SECRET, "timestamp": TIME}, signature="")
    restore(cold)
    (message,) = messages()
    assert "hunter2" not in message


def test_a_manifest_of_before_there_were_signatures_is_read(cold: Path) -> None:
    manifest = read(cold)
    del manifest["files"][0]["signature"]
    write(cold, manifest)
    assert "1 stored" in restore(cold)


@pytest.mark.parametrize(
    "record",
    [
        {"message": "m", "timestamp": TIME, "level": "LOUD"},
        {"message": "m", "timestamp": "2999-01-01T00:00:00Z"},
        {"message": "m", "timestamp": TIME, "category": "c" * 5000},
        {"message": "m" * 2**17, "timestamp": TIME},
        {"message": "m", "timestamp": TIME, "recorded_by": "r" * 5000},
        {"message": "m", "timestamp": TIME, "unknown": 1},
    ],
    ids=["level", "time", "length", "message", "recorded by", "field"],
)
def test_without_a_signature_the_rules_of_any_import_hold(cold: Path, record: dict[str, Any]) -> None:
    forge(cold, record, signature="")
    with pytest.raises(CommandError, match="1 refused"):
        restore(cold)
    assert not SystemLog.objects.exclude(category="systemlog.retention").exists()


@pytest.mark.parametrize("member", ["rows", "partition", "since", "sha256", "written_at"])
def test_a_changed_entry_is_refused(cold: Path, member: str) -> None:
    if member == "sha256":
        forge(cold, {"message": "m", "timestamp": TIME})
    else:
        manifest = read(cold)
        manifest["files"][0][member] = 7 if member == "rows" else "changed"
        write(cold, manifest)
    with pytest.raises(CommandError, match=r"signature of .* is not valid"):
        restore(cold)
    assert messages() == set()


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "a\\b", "a\0b", 7, None]
)
def test_a_file_that_is_no_plain_name_is_refused(cold: Path, name: Any) -> None:
    (cold.parent / "outside").write_text(json.dumps({"message": "m", "timestamp": TIME}))
    manifest = read(cold)
    manifest["files"][0]["file"] = name
    write(cold, manifest)
    with pytest.raises(CommandError, match="no manifest that this version knows"):
        restore(cold)
    assert messages() == set()


def test_a_link_in_the_place_of_a_file_is_refused(cold: Path) -> None:
    file = cold / read(cold)["files"][0]["file"]
    file.rename(cold.parent / "moved")
    file.symlink_to(cold.parent / "moved")
    with pytest.raises(CommandError, match="is a link"):
        restore(cold)
    assert messages() == set()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_manifest_that_is_no_regular_file_is_refused(cold: Path, kind: str) -> None:
    manifest = cold / "manifest.json"
    manifest.rename(cold.parent / "moved")
    if kind == "link":
        manifest.symlink_to(cold.parent / "moved")
    else:
        os.mkfifo(manifest)
    with pytest.raises(CommandError, match=r"is a link|is no regular file"):
        restore(cold)
    assert messages() == set()


def test_archiving_again_vouches_for_nothing_that_lay_there(store: Store, cold: Path) -> None:
    forge(cold, {"message": SECRET, "timestamp": TIME}, signature="")
    store(row(ago(41), "mine"))
    run("archive_system_logs", "--before", "30d", "--to", str(cold))
    assert [bool(entry["signature"]) for entry in read(cold)["files"]] == [False, True]


def test_a_file_whose_content_was_compared_again_is_signed(store: Store, cold: Path) -> None:
    manifest = read(cold)
    manifest["files"][0] |= {"signature": "0" * 64, "partition": "changed", "rows": 99}
    write(cold, manifest)
    store(row(ago(40), SECRET))
    run("archive_system_logs", "--before", "30d", "--to", str(cold), "--prune")
    assert len(read(cold)["files"]) == 1
    restore(cold)
    assert messages() == {SECRET}
