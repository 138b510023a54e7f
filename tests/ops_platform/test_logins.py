"""Logging in to the admin: attempts are limited by name and address, and passwords have rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.test import Client

from ops_platform import logins
from systemlog.problems.testing import assert_problem
from systemlog.testing import captured_records

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
WRONG = "wrong"
BROWSER = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def _administrator(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    User.objects.create_superuser("alice", password=PASSWORD)


def log_in(client: Client, password: str = WRONG, name: str = "alice", **others: Any) -> HttpResponse:
    return client.post("/admin/login/", {"username": name, "password": password}, **others)


def fail(client: Client, times: int = logins.MAX_FAILURES, **others: Any) -> None:
    for _ in range(times):
        assert log_in(client, **others).status_code == 200


def test_the_right_password_is_refused_after_ten_failures(client: Client) -> None:
    fail(client)

    response = log_in(client, PASSWORD)

    assert_problem(response, status=429, type="too-many-requests")
    assert 0 < int(response.headers["Retry-After"]) <= logins.WINDOW_S
    assert "_auth_user_id" not in client.session


def test_a_browser_gets_a_page(client: Client) -> None:
    fail(client)

    response = log_in(client, PASSWORD, headers=BROWSER)

    assert response.status_code == 429
    assert b"Try again in 15 minutes" in response.content
    assert int(response.headers["Retry-After"]) > 0


def test_nine_failures_and_a_success_begin_anew(client: Client) -> None:
    fail(client, 9)
    assert log_in(client, PASSWORD).status_code == 302

    fail(Client(), 9)
    assert log_in(Client(), PASSWORD).status_code == 302


@pytest.mark.parametrize("name", ["alice", "ALICE", "\uff41lice"])  # a full-width letter, which Django makes an a
def test_writing_the_name_otherwise_gives_no_further_attempts(client: Client, name: str) -> None:
    fail(client)

    assert log_in(client, name=name).status_code == 429


def test_other_names_and_addresses_are_not_concerned(client: Client) -> None:
    fail(client, REMOTE_ADDR="192.0.2.7")

    assert log_in(client, name="bob", REMOTE_ADDR="192.0.2.7").status_code == 200
    assert log_in(client, PASSWORD, REMOTE_ADDR="192.0.2.8").status_code == 302


def test_the_failures_are_forgotten_after_a_while(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(client)
    now = logins.time.time()

    monkeypatch.setattr(logins.time, "time", lambda: now + logins.WINDOW_S + 1)

    assert log_in(client, PASSWORD).status_code == 302


def test_behind_a_trusted_proxy_the_clients_address_counts(client: Client) -> None:
    def through_proxy(forwarded: str) -> dict[str, str]:
        return {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}

    fail(client, **through_proxy("192.0.2.7"))

    assert log_in(client, **through_proxy("198.51.100.1, 192.0.2.7")).status_code == 429, "what a client claims"
    assert log_in(client, PASSWORD, **through_proxy("192.0.2.8")).status_code == 302


def test_nobody_is_believed_who_is_no_proxy(client: Client) -> None:
    fail(client, REMOTE_ADDR="192.0.2.7")

    assert log_in(client, REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="192.0.2.99").status_code == 429


def test_a_disk_that_cannot_be_written_locks_nobody_out(client: Client, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.VAR_DIR = tmp_path / "file"

    assert log_in(client, PASSWORD).status_code == 302


def test_a_failed_login_is_recorded_without_the_password(client: Client) -> None:
    with captured_records() as records:
        log_in(client, "my secret passphrase")

    [record] = [record for record in records if record.category == "audit.login_failed"]
    assert (record.level, record.context["username"], record.context["address"]) == ("WARNING", "alice", "127.0.0.1")
    assert "passphrase" not in str(record)


def test_a_setting_leaves_the_name_out(client: Client, settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "AUDIT_LOGIN_NAMES": False}

    with captured_records() as records:
        log_in(client, name="my password, typed into the wrong field")

    [record] = [record for record in records if record.category == "audit.login_failed"]
    assert "username" not in record.context


@pytest.mark.parametrize("password", ["1", "password1234", "8461592033"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password)
