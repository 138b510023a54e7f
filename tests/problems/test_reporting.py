"""The log record of an error, with its level and attributes, and its signal: each comes once."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client, RequestFactory

from systemlog.problems import Problem
from systemlog.problems.wrong_hosts import WrongHosts


def only(records: list[logging.LogRecord]) -> logging.LogRecord:
    """Return the only record."""
    (record,) = {id(record): record for record in records}.values()
    return record


@pytest.mark.parametrize("kind", ["drf", "plain", "async"])
def test_a_failure_is_logged_with_everything_about_its_request(
    client: Client, admin_user: User, debug: bool, records: list[logging.LogRecord], kind: str
) -> None:
    client.force_login(admin_user)
    response = client.post(f"/raises/{kind}/ValueError/?token=hunter2")
    record = only(records)
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert record.exc_info[0] is ValueError
    assert record.getMessage() == f"POST /raises/{kind}/ValueError/: 500"
    assert vars(record)["correlation_id"] == Problem.from_response(response).correlation_id
    assert vars(record)["status_code"] == 500
    assert vars(record)["problem"] == "internal-error"
    if kind == "plain":
        assert vars(record)["user_id"] == str(admin_user.pk)


def test_who_asked_is_not_looked_up_when_the_database_is_what_failed(
    client: Client, admin_user: User, records: list[logging.LogRecord], django_assert_num_queries: Any
) -> None:
    client.force_login(admin_user)
    with django_assert_num_queries(0):
        client.get("/raises/plain/OperationalError/")
    assert vars(only(records))["user_id"] is None


def test_a_path_cannot_forge_a_line_of_the_log(client: Client, records: list[logging.LogRecord]) -> None:
    client.get("/raises/plain/PermissionDenied of Django/")
    client.generic("GET", "/missing%0aERROR forged/")
    assert "\n" not in only(records).getMessage()


@pytest.mark.parametrize(("status", "level"), [(401, "WARNING"), (403, "WARNING"), (429, "WARNING"), (404, None)])
@pytest.mark.parametrize("kind", ["drf", "plain"])
def test_a_4xx_is_logged_at_its_level_or_not_at_all(
    client: Client, debug: bool, records: list[logging.LogRecord], kind: str, status: int, level: str | None
) -> None:
    client.get(f"/nothing/{kind}/{status}/")
    assert [record.levelname for record in {id(r): r for r in records}.values()] == ([level] if level else [])


def test_the_levels_are_a_setting(client: Client, settings: Any, records: list[logging.LogRecord]) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_LOG_LEVELS": {404: "ERROR"}}
    client.get("/nothing/plain/403/")
    client.get("/missing/")
    record = only(records)
    assert record.levelno == logging.ERROR
    assert not record.exc_info


def test_a_5xx_that_a_view_returns_is_logged_once(
    client: Client, debug: bool, records: list[logging.LogRecord], signals: list[Any]
) -> None:
    client.get("/nothing/plain/502/")
    assert only(records).levelno == logging.ERROR
    assert not signals


def test_a_suspicious_operation_is_logged_where_django_logs_it(
    client: Client, settings: Any, debug: bool, records: list[logging.LogRecord]
) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_LOG_LEVELS": {400: "WARNING"}}
    client.get("/raises/plain/DisallowedHost/")
    assert only(records).name == "django.security.DisallowedHost"


def test_under_asgi_it_is_logged_once_too(
    async_client: AsyncClient, debug: bool, records: list[logging.LogRecord], signals: list[Any]
) -> None:
    response = async_to_sync(async_client.get)("/raises/async/ValueError/")
    assert vars(only(records))["correlation_id"] == Problem.from_response(response).correlation_id
    assert len(signals) == 1


def test_records_about_other_requests_are_let_through(client: Client, records: list[logging.LogRecord]) -> None:
    client.get("/missing/")
    logging.getLogger("django.request").warning("Not Found: /x/", extra={"request": RequestFactory().get("/x/")})
    assert only(records).getMessage() == "Not Found: /x/"


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("api.example.com", True),
        ("api.example.com:8443", True),
        ("[2001:db8::1]:80", True),
        ("a b", False),
        ("", False),
    ],
)
def test_only_what_could_be_allowed_is_named_as_a_wrong_host(
    caplog: pytest.LogCaptureFixture, host: str, warned: bool
) -> None:
    request = RequestFactory().get("/", headers={"Host": host})
    wrong_hosts = WrongHosts()

    wrong_hosts.warn(request)
    wrong_hosts.warn(request)

    assert [host in record.getMessage() for record in caplog.records] == [True] * warned


def test_the_workers_of_a_host_warn_once_a_minute_together(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    request = RequestFactory().get("/", headers={"Host": "elsewhere.example"})
    workers = WrongHosts(), WrongHosts()
    for worker in workers:
        worker.file = tmp_path / "wrong-host"
        worker.warn(request)
    assert len(caplog.records) == 1

    os.utime(tmp_path / "wrong-host", (0, 0))
    for worker in (WrongHosts(), WrongHosts()):
        worker.file = tmp_path / "wrong-host"
        worker.warn(request)
    assert len(caplog.records) == 2
