"""Metrics that come from a function: what any app offers by a dotted path, without knowing this one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from django.core.checks import run_checks
from django.test import AsyncClient, Client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pytest_django.fixtures import Settings

from health.runner import collecting
from tests.support.health import PATIENT_S
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db  # Django 6.1 asks the database in some of its own checks

HERE = "tests.health.test_collectors."

calls: list[str] = []
release = threading.Event()


def collect() -> Iterator[Metric]:
    calls.append("collect")
    yield GaugeMetricFamily("queue_bytes", "Bytes that wait.", 4096)
    refused = CounterMetricFamily("queue_refused", "What had no room.", labels=["level"])
    refused.add_metric(["INFO"], 7)
    yield refused


def raises() -> Iterator[Metric]:
    yield GaugeMetricFamily("half_told", "Of a collector that raises.", 1)
    raise OSError("/var/lib/secret")


def gives_nonsense() -> list[object]:
    return ["queue_bytes 1"]


def gives_no_number() -> Iterator[Metric]:
    yield GaugeMetricFamily("no_number", "Of a value that is none.", "many")


def hangs() -> list[Metric]:
    calls.append("hangs")
    release.wait()
    return []


def takes_a_name_of_ours() -> Iterator[Metric]:
    yield GaugeMetricFamily("django_http_requests", "As the counter of requests is called.", 1)
    yield GaugeMetricFamily("beside_it", "What else it gives.", 1)


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    calls.clear()
    release.clear()
    yield
    release.set()


def configure(settings: Settings, *names: str, **more: object) -> None:
    collectors = [HERE + name for name in names]
    settings.HEALTH = {"DEADLINE_S": PATIENT_S, "COLLECTORS": collectors, "PROBES": {}, **more}


def told(client: Client) -> dict[str, float]:
    """Every series of a scrape, by name and labels."""
    response = client.get("/system-health/metrics?format=prometheus")
    assert response.status_code == 200
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for family in parse_text(response.content.decode())
        for sample in family.samples
    }


def test_gauges_and_counters_of_a_function_are_told(stranger: Client, settings: Settings) -> None:
    configure(settings, "collect")

    series = told(stranger)
    openmetrics = stranger.get("/system-health/metrics?format=openmetrics").content.decode()

    assert series["queue_bytes"] == 4096
    assert series["queue_refused_totalINFO"] == 7
    assert series[f"health_collector_success{HERE}collect"] == 1
    assert {"queue_bytes", "queue_refused"} <= {family.name for family in parse_openmetrics(openmetrics)}


def test_scrapes_one_after_another_ask_a_function_once(stranger: Client, settings: Settings) -> None:
    configure(settings, "collect", CACHE_S=60)

    for _ in range(3):
        assert told(stranger)["queue_bytes"] == 4096

    assert calls == ["collect"]


def test_probes_ask_no_function(stranger: Client, settings: Settings) -> None:
    configure(settings, "collect")

    assert [stranger.get(f"/system-health{path}").status_code for path in ("", "/ready", "/live")] == [200] * 3

    assert calls == []


@pytest.mark.parametrize("broken", ["raises", "gives_nonsense", "gives_no_number", "nowhere"])
def test_one_that_is_broken_costs_its_own_metrics_and_not_the_scrape(
    stranger: Client, settings: Settings, broken: str
) -> None:
    configure(settings, broken, "collect")

    series = told(stranger)

    assert series[f"health_collector_success{HERE}{broken}"] == 0
    assert series["queue_bytes"] == 4096
    assert not {"half_told", "no_number"} & series.keys()


def test_one_that_hangs_costs_one_deadline_and_one_thread(stranger: Client, settings: Settings) -> None:
    configure(settings, "hangs", "collect", DEADLINE_S=0.4, CACHE_S=0)
    told(stranger)

    for _ in range(10):
        hanging, _ = collecting().threads
        assert hanging.start(time.monotonic()) is None  # overdue: there is nothing that a scrape would wait for
        assert told(stranger)[f"health_collector_success{HERE}hangs"] == 0

    assert calls.count("hangs") == 1
    assert eventually(lambda: told(stranger).get("queue_bytes") == 4096)
    release.set()
    assert eventually(lambda: told(stranger)[f"health_collector_success{HERE}hangs"] == 1)


def test_one_that_hangs_does_not_stall_the_event_loop(settings: Settings) -> None:
    settings.MIDDLEWARE = ["health.middleware.HealthMiddleware"]
    configure(settings, "hangs", DEADLINE_S=30)

    async def ask() -> list[int]:
        waiting = asyncio.create_task(AsyncClient().get("/system-health/metrics"))
        while not calls:
            await asyncio.sleep(0)
        live = await AsyncClient().get("/system-health/live")
        assert not waiting.done()
        release.set()
        return [live.status_code, (await waiting).status_code]

    assert asyncio.run(ask()) == [200, 200]


def test_a_name_that_is_taken_is_told_once(stranger: Client, settings: Settings) -> None:
    configure(settings, "takes_a_name_of_ours")
    stranger.get("/system-health/live")

    text = stranger.get("/system-health/metrics?format=prometheus").content.decode()

    assert "\ndjango_http_requests_total{" in text
    assert "As the counter of requests is called." not in text
    assert "\nbeside_it 1" in text


@pytest.mark.parametrize(
    ("path", "said"),
    [("nowhere.at_all", "cannot be imported"), (HERE + "calls", "not callable"), (7, "cannot be imported")],
)
def test_a_bad_path_is_named_at_start_up(settings: Settings, path: object, said: str) -> None:
    settings.HEALTH = {"COLLECTORS": [path]}

    found = [message for message in run_checks() if message.id == "health.E006"]

    assert len(found) == 1
    assert said in found[0].msg
