"""The endpoints as the contract describes them, under conditions that break an ordinary view."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from pytest_django.fixtures import Settings

ENDPOINTS = ["", "/live", "/ready", "/startup", "/metrics"]
BOTH_WAYS = [f"/system-health{path}{slash}" for path in ENDPOINTS for slash in ("", "/")]

hostile_settings = {
    "a Host that is not allowed": {"ALLOWED_HOSTS": ["api.example.org"]},
    "a redirect to HTTPS": {"SECURE_SSL_REDIRECT": True},
    "slashes that are appended": {"APPEND_SLASH": True},
    "a login that everybody needs": {
        "MIDDLEWARE": [*django_settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    },
}


@pytest.mark.django_db
@pytest.mark.parametrize("path", BOTH_WAYS)
@pytest.mark.parametrize("hostility", hostile_settings.values(), ids=hostile_settings)
def test_every_endpoint_answers_before_anything_that_could_refuse(
    stranger: Client, settings: Settings, path: str, hostility: dict[str, object]
) -> None:
    for name, value in hostility.items():
        setattr(settings, name, value)

    response = stranger.get(path)

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response["X-Request-ID"]


def test_liveness_uses_no_database(stranger: Client) -> None:
    # There is no `django_db` mark: a query would fail this test.
    body = stranger.get("/system-health/live").json()

    assert body.keys() == {"status", "timestamp", "message"}
    assert body["status"] == "ok"
    assert datetime.fromisoformat(body["timestamp"]).utcoffset().total_seconds() == 0


@pytest.mark.django_db
def test_readiness_says_what_the_contract_says(stranger: Client) -> None:
    body = stranger.get("/system-health/ready").json()

    assert body.keys() == {"status", "timestamp", "db_ok", "message"}
    assert (body["status"], body["db_ok"]) == ("ready", True)


def test_readiness_without_its_database_is_a_calm_503(stranger: Client) -> None:
    # Without the `django_db` mark every database access fails.
    response = stranger.get("/system-health/ready")

    assert response.status_code == 503
    body = response.json()
    assert body.keys() == {"status", "timestamp", "db_ok", "message"}
    assert (body["status"], body["db_ok"]) == ("maintenance", False)


@pytest.mark.parametrize(("path", "status"), [("/live", 200), ("/ready", 503), ("", 503), ("/metrics", 200)])
def test_a_transaction_around_every_request_needs_no_database_here(
    stranger: Client, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    # Without the `django_db` mark every database access fails.
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)

    assert stranger.get(f"/system-health{path}").status_code == status


@pytest.mark.django_db
def test_start_up_is_over_once_all_has_passed(stranger: Client) -> None:
    assert stranger.get("/system-health/startup").json()["status"] == "started"


@pytest.mark.django_db
@pytest.mark.parametrize("path", BOTH_WAYS)
def test_head_has_the_headers_of_get_and_no_body(stranger: Client, path: str) -> None:
    head, get = stranger.head(path), stranger.get(path)

    assert head.status_code == get.status_code
    assert head.content == b""
    assert int(head["Content-Length"]) > 0
    assert head["Content-Type"] == get["Content-Type"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", BOTH_WAYS)
def test_other_methods_are_refused_with_a_problem(stranger: Client, path: str, method: str) -> None:
    response = getattr(stranger, method)(path)

    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert body["status"] == 405
    assert body["instance"] == path
    assert body["correlation_id"] == response["X-Request-ID"]


@pytest.mark.parametrize("accept", ["text/html", "nonsense", ";;;q=,,", "*/*;q=0", "application/xml;q=1e999", "\x7f"])
def test_any_accept_header_gets_an_answer(stranger: Client, accept: str) -> None:
    response = stranger.get("/system-health/live", headers={"Accept": accept})

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"


def test_a_path_below_that_is_no_endpoint_goes_on_to_the_application(client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]

    assert client.get("/system-health/nothing").status_code == 404


@pytest.mark.django_db
def test_health_json_has_the_shape_of_the_ietf_draft(stranger: Client) -> None:
    response = stranger.get("/system-health", headers={"Accept": "application/health+json"})

    assert response["Content-Type"] == "application/health+json"
    assert response.json() == {"status": "pass"}


def test_health_json_fails_with_503(stranger: Client) -> None:
    response = stranger.get("/system-health/ready", headers={"Accept": "application/health+json"})

    assert response.status_code == 503
    assert response.json()["status"] == "fail"
