"""The files for Kubernetes, Prometheus and Grafana: valid, and about what the platform really has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.test import Client
from django.utils.module_loading import import_string
from prometheus_client import REGISTRY

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\b(?:django|health|process|systemlog)_[a-z_]+\b")
SUFFIX = re.compile(r"_(bucket|sum|count|total)$")

OF_EVERY_SCRAPE = {"process_start_time_seconds", "django_build_info"}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


@needs_promtool
@pytest.mark.parametrize(("kind", "file"), [("config", "prometheus.yml"), ("rules", "alerts.yml")])
def test_promtool_takes_the_configuration(kind: str, file: str) -> None:
    checked = subprocess.run(
        ["promtool", "check", kind, file], cwd=MONITORING, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_every_alert_fires_when_it_should_and_no_other_time() -> None:
    tested = subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yml"], cwd=MONITORING, capture_output=True, text=True, check=False
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr
    alerts = {rule["alert"] for rule in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]}
    silent, broken = yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]
    fired = re.findall(r'alertname="(\w+)"', str(broken["promql_expr_test"][0]["exp_samples"]))
    assert {case["alertname"] for case in silent["alert_rule_test"]} == set(fired) == alerts


@pytest.mark.django_db
@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_every_metric_that_is_asked_for_exists(file: str, stranger: Client) -> None:
    stranger.get("/system-health/live")
    collectors = [import_string(path) for path in settings.HEALTH["COLLECTORS"]]
    families = [*REGISTRY.collect(), *(family for collect in collectors for family in collect())]
    known = {family.name for family in families} | OF_EVERY_SCRAPE

    asked = {SUFFIX.sub("", name) for name in NAME.findall((MONITORING / file).read_text())}

    assert asked
    assert asked <= known


def test_the_dashboard_asks_the_data_source_that_was_chosen() -> None:
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]

    assert {panel["datasource"]["uid"] for panel in panels} == {"${source}"}
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.django_db
def test_every_probe_of_the_deployment_is_answered(stranger: Client) -> None:
    deployment, _ = yaml.safe_load_all((MONITORING / "kubernetes.yaml").read_text())
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    paths = [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")]
    paths.append(template["metadata"]["annotations"]["prometheus.io/path"])

    assert [stranger.get(path).status_code for path in paths] == [200] * 4
