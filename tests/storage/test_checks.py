"""The system checks of the log store report settings that would fail at run time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connections

from systemlog.conf import conf

pytestmark = pytest.mark.django_db  # Django 6.1 asks the database in some of its own checks


@pytest.fixture
def complaints(settings: Any) -> Any:
    """A function that returns the texts of the errors about `SYSTEMLOG`, by their ids."""

    def check(**keys: Any) -> dict[str, str]:
        settings.SYSTEMLOG = {"DATABASE": conf().DATABASE, "JOURNAL": "memory", **keys}
        return {str(each.id): f"{each.msg} {each.hint}" for each in run_checks() if "systemlog.E00" in str(each.id)}

    return check


def test_the_settings_of_the_platform_have_no_complaint(complaints: Any) -> None:
    assert complaints() == {}


@pytest.mark.skipif("connections[conf().DATABASE].vendor != 'sqlite'", reason="PostgreSQL locks rows, not files")
def test_a_sqlite_file_shared_with_the_project_is_warned_of(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def warnings() -> list[str]:
        return [str(each.id) for each in run_checks() if each.id in ("systemlog.W031", "systemlog.W032")]

    assert warnings() == [], "the platform's log has a file of its own"
    settings.SYSTEMLOG = {"DATABASE": "default", "JOURNAL": "files", "JOURNAL_DIR": ""}
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {})
    assert warnings() == ["systemlog.W031"]
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {"transaction_mode": "IMMEDIATE"})
    assert warnings() == []
    settings.SYSTEMLOG = {"DATABASE": "default", "JOURNAL": "direct"}
    assert warnings() == ["systemlog.W032"], "however transactions begin, a record cannot wait for its own caller's"
    settings.SYSTEMLOG = {"DATABASE": "logs", "JOURNAL": "direct"}
    assert warnings() == []


@pytest.mark.parametrize(
    ("keys", "identifier", "text"),
    [
        ({"PARTITON": "day"}, "systemlog.E002", "Did you mean 'PARTITION'?"),
        ({"partition": "day"}, "systemlog.E002", "Did you mean 'PARTITION'?"),
        ({"GARBAGE": 1}, "systemlog.E002", "Remove it."),
        ({"PARTITION": "hour"}, "systemlog.E002", "must be one of 'day', 'week', 'month'"),
        ({"SEARCH_TIMEOUT_S": "1"}, "systemlog.E002", "must be of type float"),
        ({"SEARCH_TIMEOUT_S": 0}, "systemlog.E002", "must be at least 0.01"),
        ({"MAX_BODY_BYTES": True}, "systemlog.E002", "must be of type int"),
        ({"DATABASE": "nowhere"}, "systemlog.E003", "'nowhere', which DATABASES does not have"),
        ({"JOURNAL_DIR": "relative"}, "systemlog.E005", "no absolute path"),
        ({"JOURNAL_DIR": "/tmp"}, "systemlog.E005", "temporary files"),
        ({"JOURNAL_DIR": "/proc/version"}, "systemlog.E005", "no directory"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_to_do(
    complaints: Any, keys: dict[str, Any], identifier: str, text: str
) -> None:
    found = complaints(**keys)
    assert text in found[identifier]


def test_a_log_without_a_router_is_named(complaints: Any, settings: Any) -> None:
    if len(list(connections)) == 1:
        pytest.skip("one database: everything is routed to it")
    settings.DATABASE_ROUTERS = []
    assert "SystemLogRouter" in complaints()["systemlog.E004"]


def test_a_journal_that_others_may_write_to_is_named(complaints: Any, tmp_path: Path) -> None:
    assert complaints(JOURNAL_DIR=str(tmp_path / "not" / "yet")) == {}
    tmp_path.chmod(0o777)
    assert "others may write to it" in complaints(JOURNAL_DIR=str(tmp_path))["systemlog.E005"]


def test_a_journal_without_a_directory_of_its_own_is_named(
    complaints: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    settings.BASE_DIR = None
    assert "has no directory" in complaints(JOURNAL="files", JOURNAL_DIR="")["systemlog.E005"]
    (tmp_path / "file").touch()
    settings.BASE_DIR = tmp_path / "file"
    assert (
        "file/var/journal does not exist, and cannot be made"
        in complaints(JOURNAL="files", JOURNAL_DIR="")["systemlog.E005"]
    )
    settings.BASE_DIR = tmp_path
    assert complaints(JOURNAL="files", JOURNAL_DIR="") == {}
    settings.BASE_DIR = None
    assert "systemlog.E005" not in complaints(JOURNAL="direct", JOURNAL_DIR="")


@pytest.mark.parametrize("given", [None, [], "DATABASE"])
def test_settings_that_are_no_dictionary_are_named(settings: Any, given: Any) -> None:
    settings.SYSTEMLOG = given
    assert [each.id for each in run_checks() if each.id == "systemlog.E002"]


def test_a_project_without_time_zones_is_reported(complaints: Any, settings: Any) -> None:
    settings.USE_TZ = False
    assert "USE_TZ = True" in complaints()["systemlog.E006"]
