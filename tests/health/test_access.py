"""Which clients see the details of probes and metrics."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import django
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.test import AsyncClient, Client
from prometheus_client import REGISTRY
from prometheus_client.core import Metric
from pytest_django.fixtures import Settings

from tests.support.health import AddDatabase, Probes

TOKEN = "of-the-probes-0123456789"
PROBED = "system-health"
DETAILS = {"version", "django", "python", "uptime_seconds", "draining", "probes"}


@pytest.fixture(autouse=True)
def failing_probe(probes: Probes) -> None:
    probes(
        HEALTH={"TOKEN": TOKEN, "VERSION": "1.2.3"},
        billing={"PROBE": "tests.health.doubtful.fails", "CRITICAL": False},
    )


@pytest.fixture
def only_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show no metrics of routes that other tests of this process have called, such as `admin/password_change/`."""

    class Probed:
        def collect(self) -> Iterator[Metric]:
            for family in REGISTRY.collect():
                family.samples = [each for each in family.samples if PROBED in each.labels.get("route", PROBED)]
                yield family

    monkeypatch.setattr("health.metrics.families.REGISTRY", Probed())


@pytest.mark.usefixtures("only_probed")
@pytest.mark.parametrize("path", ["", "/ready", "/live", "/startup", "/metrics", "/metrics?format=prometheus"])
@pytest.mark.parametrize("accept", ["application/json", "application/health+json", "text/plain"])
@pytest.mark.parametrize("token", [None, "wrong", "", TOKEN[:-1], "\xe9"])
def test_a_stranger_learns_nothing_of_hosts_versions_and_exceptions(
    stranger: Client, path: str, accept: str, token: str | None
) -> None:
    headers = {"Accept": accept} | ({} if token is None else {"Authorization": f"Bearer {token}"})

    text = stranger.get(f"/system-health{path}", headers=headers).content.decode()

    # Versions as the texts that they are in a body: Django's may be 5.2, which is the number of many a metric, too.
    versions = [f'"{version}"' for version in (platform.python_version(), django.get_version())]
    secrets = ("1.2.3", "db.internal", "password", "ProviderDown", *versions)
    assert not [secret for secret in secrets if secret in text]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_shows_what_the_probes_found(stranger: Client, scheme: str) -> None:
    body = stranger.get("/system-health", headers={"Authorization": f"{scheme} {TOKEN}"}).json()

    assert body.keys() > DETAILS
    assert body["version"] == "1.2.3"
    assert body["probes"]["billing"]["state"] == "fail"
    assert body["probes"]["billing"]["critical"] is False
    assert "db.internal" in body["probes"]["billing"]["detail"]


def test_the_token_shows_the_checks_in_health_json(stranger: Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/health+json"}

    body = stranger.get("/system-health/ready", headers=headers).json()

    assert body["checks"]["billing"][0]["status"] == "fail"


@pytest.mark.django_db
@pytest.mark.parametrize("may", [True, False])
def test_a_user_of_the_site_sees_details_by_permission(client: Client, may: bool) -> None:
    user = User.objects.create_user("operator")
    if may:
        user.user_permissions.add(Permission.objects.get(codename="view_details"))
    client.force_login(user)

    body = client.get("/system-health").json()

    assert ("probes" in body) is may


@pytest.mark.django_db(transaction=True)
def test_a_user_of_the_site_sees_details_under_asgi_too() -> None:
    async def ask() -> bool:
        client = AsyncClient()
        await client.aforce_login(await User.objects.acreate_superuser("root"))
        response = await client.get("/system-health")
        return "probes" in response.json()

    assert async_to_sync(ask)()


def test_nobody_is_looked_up_in_a_database_that_is_down(
    client: Client, add_database: AddDatabase, refusing_port: int, settings: Settings
) -> None:
    add_database("refusing", host="127.0.0.1", port=refusing_port)
    settings.HEALTH = {**settings.HEALTH, "CAN_SEE_DETAILS": "tests.health.doubtful.fails"}
    client.cookies[settings.SESSION_COOKIE_NAME] = "some-session"

    response = client.get("/system-health/ready")

    assert response.status_code == 503
    assert "probes" not in response.json()


def test_a_function_that_cannot_tell_who_may_see_tells_nothing(client: Client, settings: Settings) -> None:
    settings.HEALTH = {**settings.HEALTH, "CAN_SEE_DETAILS": "tests.health.doubtful.fails"}
    client.cookies[settings.SESSION_COOKIE_NAME] = "some-session"

    response = client.get("/system-health")

    assert response.status_code == 200
    assert "probes" not in response.json()


def test_the_metrics_can_demand_the_token(stranger: Client, settings: Settings) -> None:
    settings.HEALTH = {**settings.HEALTH, "METRICS_RESTRICTED": True}
    client = Client(headers={"Host": "10.244.1.7:8000"})

    refused = client.get("/system-health/metrics")
    allowed = client.get("/system-health/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert refused.status_code == 401
    assert refused["WWW-Authenticate"] == "Bearer"
    assert refused["Content-Type"] == "application/problem+json"
    assert allowed.status_code == 200
