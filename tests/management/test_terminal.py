"""What the commands write to a terminal, whatever records, file names and keys hold."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from systemlog.journal import directory
from systemlog.landing.quarantine import Quarantine
from systemlog.management.terminal import counted, printable

pytestmark = pytest.mark.django_db

HOSTILE = {
    "escape sequence": "\x1b]0;owned\x07",
    "C1 control": "\x9b31m",
    "delete": "\x7f",
    "carriage return": "\rINFO all is well",
    "line feed": "a\nb",
    "direction override": "\u202eabc",
    "isolate": "\u2066abc",
    "line separator": "\u2028",
    "next line": "\x85",
    "lone surrogate": "\udc9b",
}
TIME = "2003-08-06T09:52:50Z"


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(settings: object, tmp_path: Path) -> Path:
    settings.SYSTEMLOG = settings.SYSTEMLOG | {"JOURNAL_DIR": str(tmp_path / "journal")}
    folder = directory.target_folder()
    directory.make_folder(folder)
    return folder


def run(command: str, *arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def is_clean(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_text_that_is_shown_as_itself_is_left_alone() -> None:
    assert printable("Grüße, 日本語\u3000和 - \xa0✓ 🙂") == "Grüße, 日本語\u3000和 - \xa0✓ 🙂"


def test_whatever_a_terminal_would_obey_is_escaped(hostile: str) -> None:
    assert printable(hostile).isprintable()


def test_an_unknown_key_reaches_the_terminal_escaped(hostile: str, tmp_path: Path) -> None:
    file = tmp_path / "logs.ndjson"
    file.write_text(
        json.dumps({"message": "m", "timestamp": TIME, hostile: 1})
        + "\n"
        + json.dumps({"message": "m", "timestamp": TIME})
    )
    out, err = run("import_system_logs", str(file))
    assert is_clean(out)
    assert is_clean(err)
    assert len(err.splitlines()) == 1


def test_a_file_name_reaches_the_terminal_escaped(hostile: str, tmp_path: Path) -> None:
    file = tmp_path / f"{hostile}.ndjson"
    file.write_text(json.dumps({"message": "m", "timestamp": TIME}) + "\nno json")
    out, err = run("import_system_logs", str(file))
    assert is_clean(out)
    assert is_clean(err)
    assert len(out.splitlines()) == len(err.splitlines()) == 1


def test_the_name_of_a_file_that_is_missing_reaches_the_terminal_escaped(hostile: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        run("import_system_logs", str(tmp_path / hostile))
    assert str(caught.value).isprintable()


def test_names_in_a_manifest_reach_the_terminal_escaped(hostile: str, tmp_path: Path) -> None:
    entry = {"leaf": "x", "rows": 1, "since": TIME, "until": TIME, "bytes": 1, "sha256": "0", "content_sha256": "0"}
    entry |= {"file": hostile, "compression": "gzip", "written_at": TIME}
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "system_logs archive 1", "files": [entry]}))
    with pytest.raises(CommandError) as caught:
        run("import_system_logs", str(tmp_path))
    assert str(caught.value).isprintable()


def test_a_quarantined_line_and_its_reason_reach_the_terminal_escaped(hostile: str, folder: Path) -> None:
    data = f'{{"message": "{hostile}"}}'.encode(errors="surrogateescape")
    Quarantine(folder).add(uuid.uuid4(), 1, f"refused: {hostile}", data)
    out, _ = run("system_log_quarantine")
    assert is_clean(out)
    assert len(out.splitlines()) == 3


def test_a_name_that_is_not_in_quarantine_reaches_the_terminal_escaped(hostile: str, folder: Path) -> None:
    with pytest.raises(CommandError) as caught:
        run("system_log_quarantine", "--discard", hostile + "x")
    assert str(caught.value).isprintable()


def test_a_big_wrong_file_names_its_first_lines_and_counts_the_others(tmp_path: Path) -> None:
    file = tmp_path / "wrong"
    file.write_text("no json\n" * 5000 + json.dumps({"message": "m", "timestamp": TIME}))
    out, err = run("import_system_logs", str(file))
    assert len(err.splitlines()) == 21
    assert err.splitlines()[-1] == f"{file}: 4980 more lines were refused; the first 20 are named."
    assert "5000 refused." in out


def test_of_several_wrong_files_no_more_lines_are_named_than_of_one(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b")]
    for file in files:
        file.write_text("no json\n" * 25 + json.dumps({"message": file.name, "timestamp": TIME}))
    _, err = run("import_system_logs", *map(str, files))
    assert len(err.splitlines()) == 22
    assert "5 more lines were refused" in err
    assert "25 more lines were refused" in err


@pytest.mark.parametrize(("number", "text"), [(0, "0 records"), (1, "1 record"), (2, "2 records")])
def test_one_is_singular(number: int, text: str) -> None:
    assert counted(number, "record") == text


def test_a_single_record_is_imported_in_the_singular(tmp_path: Path) -> None:
    file = tmp_path / "one"
    file.write_text(json.dumps({"message": "m", "timestamp": TIME}))
    assert "one: 1 record read, 1 stored" in run("import_system_logs", str(file))[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["prune_system_logs", "--older-than", "30d", "--category", ""],
        ["prune_system_logs", "--category", " "],
        ["archive_system_logs", "--before", "30d", "--to", ""],
        ["import_system_logs", ""],
        ["system_log_quarantine", "--discard", ""],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_empty_argument_is_refused_by_its_name(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"^Error: argument [-A-Z|a-z]+: an empty text names nothing$"):
        run(*arguments)


def test_an_argument_that_is_unknown_reaches_the_terminal_escaped(hostile: str) -> None:
    with pytest.raises(CommandError) as caught:
        run("import_system_logs", "file", f"--x{hostile}")
    assert str(caught.value).isprintable()
