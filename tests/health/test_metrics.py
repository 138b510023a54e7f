"""The metrics of one process: what is counted, under which labels, and in which form it is told."""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path, re_path
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pytest_django.fixtures import Settings

from health.metrics.logs import CountingHandler
from health.states import State
from tests.support.health import Probes

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def item(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse("item")


def problem(request: HttpRequest) -> HttpResponse:
    body = {"type": "https://api.example.org/problems/out-of-stock", "status": 409}
    return JsonResponse(body, status=409, content_type="application/problem+json")


def problem_with_data(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(b"only `data` has the type", status=409, content_type="application/problem+json")
    response.data = {"type": "/problems/sold-out"}
    return response


def crash(request: HttpRequest) -> HttpResponse:
    raise ArithmeticError


urlpatterns = [
    path("items/<int:number>/", item),
    re_path(r"^old/v1\.0/(?P<number>[0-9]+)/?\Z", item),
    path("problem", problem),
    path("problem-with-data", problem_with_data),
    path("crash", crash),
]


@pytest.fixture
def api(settings: Settings) -> Client:
    """An application with three views behind the health middleware."""
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MIDDLEWARE = ["health.middleware.HealthMiddleware"]
    return Client(raise_request_exception=False)


def sample(client: Client, name: str, **labels: str) -> float:
    """The value of one series, 0 where it is not there."""
    text = client.get("/system-health/metrics?format=prometheus").content.decode()
    for family in parse_text(text):
        for found in family.samples:
            if found.name == name and labels.items() <= found.labels.items():
                return found.value
    return 0.0


def test_the_route_of_a_regular_expression_is_labelled_as_a_person_writes_it(api: Client) -> None:
    labels = {"method": "GET", "route": "old/v1.0/<number>/", "status": "2xx"}
    before = sample(api, "django_http_requests_total", **labels)

    api.get("/old/v1.0/7")

    assert sample(api, "django_http_requests_total", **labels) == before + 1


def test_requests_are_counted_by_method_route_and_status_class(api: Client) -> None:
    labels = {"method": "GET", "route": "items/<int:number>/", "status": "2xx"}
    before = sample(api, "django_http_requests_total", **labels)

    for number in range(3):
        api.get(f"/items/{number}/")

    assert sample(api, "django_http_requests_total", **labels) - before == 3


def test_durations_are_counted_in_buckets(api: Client) -> None:
    labels = {"method": "GET", "route": "items/<int:number>/", "le": "+Inf"}
    before = sample(api, "django_http_request_duration_seconds_bucket", **labels)

    api.get("/items/1/")

    assert sample(api, "django_http_request_duration_seconds_bucket", **labels) - before == 1


def test_paths_and_methods_that_a_client_invents_make_no_series(api: Client) -> None:
    labels = {"method": "OTHER", "route": "unmatched", "status": "4xx"}
    before = sample(api, "django_http_requests_total", **labels)

    for number in range(20):
        api.generic(f"INVENTED{number}", f"/nowhere/{number}")

    assert sample(api, "django_http_requests_total", **labels) - before == 20
    assert "INVENTED" not in api.get("/system-health/metrics?format=prometheus").content.decode()


def test_problems_are_counted_by_type(api: Client) -> None:
    before = sample(api, "django_http_problems_total", type="out-of-stock")

    api.get("/problem")

    assert sample(api, "django_http_problems_total", type="out-of-stock") - before == 1


def test_the_body_of_a_problem_is_not_parsed_again_where_the_response_has_its_data(api: Client) -> None:
    before = sample(api, "django_http_problems_total", type="sold-out")

    api.get("/problem-with-data")

    assert sample(api, "django_http_problems_total", type="sold-out") - before == 1


def test_exceptions_that_nobody_caught_are_counted_by_class(api: Client) -> None:
    before = sample(api, "django_http_exceptions_total", exception="ArithmeticError")

    assert api.get("/crash").status_code == 500

    assert sample(api, "django_http_exceptions_total", exception="ArithmeticError") - before == 1
    assert sample(api, "django_http_requests_total", route="crash", status="5xx") >= 1


def test_the_request_that_asks_is_in_progress(api: Client) -> None:
    assert sample(api, "django_http_requests_in_progress") == 1


def test_log_records_are_counted_by_level(api: Client) -> None:
    handler = CountingHandler()
    before = sample(api, "django_log_records_total", level="ERROR")

    handler.handle(logging.makeLogRecord({"levelname": "ERROR"}))
    handler.handle(logging.makeLogRecord({"levelname": "Level 35"}))

    assert sample(api, "django_log_records_total", level="ERROR") - before == 1
    assert sample(api, "django_log_records_total", level="OTHER") >= 1


def test_database_connections_are_counted_by_alias(api: Client, probes: Probes, transactional_db: None) -> None:
    before = sample(api, "django_db_connections_opened_total", alias="default")
    probes(database="health.probes.Database", HEALTH={"CACHE_S": 0})

    api.get("/system-health/ready")

    assert sample(api, "django_db_connections_opened_total", alias="default") - before == 1


def test_a_probe_shows_what_it_found_last_and_a_scrape_does_not_run_it(api: Client, probes: Probes) -> None:
    probes(billing={"PROBE": "tests.health.doubtful.fails"}, disk="tests.health.doubtful.warns")

    api.get("/system-health/ready")

    states = {
        probe: {state: sample(api, "health_probe_state", probe=probe, state=state) for state in State}
        for probe in ("billing", "disk")
    }
    assert states == {
        "billing": {"pass": 0, "warn": 0, "fail": 1},
        "disk": {"pass": 0, "warn": 1, "fail": 0},
    }
    assert sample(api, "health_ready") == 0
    assert api.get("/system-health/metrics").status_code == 200


def test_the_rate_is_that_of_the_last_minute(api: Client) -> None:
    before = api.get("/system-health/metrics").json()["request_rate_hint"]

    for number in range(60):
        api.get(f"/items/{number}/")

    after = api.get("/system-health/metrics").json()["request_rate_hint"]
    assert after - before == pytest.approx(61 / 60, abs=0.01)  # the first question counts too


def test_json_is_what_is_told_by_default(stranger: Client) -> None:
    body = stranger.get("/system-health/metrics").json()

    assert body.keys() >= {"timestamp", "uptime_seconds", "request_rate_hint"}
    assert body["uptime_seconds"] > 0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/plain", TEXT),
        ("text/*", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("text/plain;q=0.9, application/json;q=0.1", TEXT),
        ("text/plain;q=0, */*", "application/json"),
        ("text/plain;q=lots", "application/json"),
    ],
)
def test_the_form_is_the_one_that_is_asked_for(stranger: Client, accept: str, content_type: str) -> None:
    response = stranger.get("/system-health/metrics", headers={"Accept": accept})

    assert response["Content-Type"] == content_type


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("json", "application/json"), ("prometheus", TEXT), ("openmetrics", OPENMETRICS)],
)
def test_the_parameter_decides_before_the_header(stranger: Client, name: str, content_type: str) -> None:
    response = stranger.get(f"/system-health/metrics?format={name}", headers={"Accept": "*/*"})

    assert response["Content-Type"] == content_type


def test_both_text_formats_can_be_parsed(api: Client) -> None:
    api.get("/problem")
    text = api.get("/system-health/metrics?format=prometheus").content.decode()
    openmetrics = api.get("/system-health/metrics?format=openmetrics").content.decode()

    assert {family.name for family in parse_text(text)} >= {"django_http_requests", "django_http_problems"}
    assert {family.name for family in parse_openmetrics(openmetrics)} >= {"django_http_requests"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_metrics(api: Client) -> None:
    api.get("/items/1/")
    text = api.get("/system-health/metrics?format=prometheus").content

    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_requests_are_counted_under_asgi_too(api: Client) -> None:
    labels = {"method": "GET", "route": "items/<int:number>/", "status": "2xx"}
    before = sample(api, "django_http_requests_total", **labels)

    asyncio.run(AsyncClient().get("/items/1/"))

    assert sample(api, "django_http_requests_total", **labels) - before == 1


def test_the_middleware_is_second_in_the_platform() -> None:
    assert django_settings.MIDDLEWARE[1] == "health.middleware.HealthMiddleware"


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("query", ["format=nope", "format=", "&".join(f"p{number}=" for number in range(1001))])
def test_a_query_that_metrics_cannot_answer_is_a_problem(
    client: Client, settings: Settings, query: str, debug: bool
) -> None:
    settings.DEBUG = debug
    response = client.get(f"/system-health/metrics?{query}")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
