"""The endpoints in a project of its own: below a prefix, without ProblemMiddleware, without the extras."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import include, path

from systemlog.ingest.checks import check_extras

urlpatterns = [path("in/", include("systemlog.ingest.urls"))]


@pytest.fixture(autouse=True)
def _project(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []


@pytest.mark.django_db
def test_they_answer_below_a_prefix_without_our_middleware(send: Callable[..., Any]) -> None:
    assert send("/in/v1/logs", b"{}").json() == {}
    assert send("/in/elastic/a/_bulk", b'{"index":{}}\n{}\n').status_code == 200
    unknown = send("/in/loki/api/v1/push", b"{}", token="none")
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (401, "text/plain; charset=utf-8")
    assert send("/in/journald/none", method="GET").status_code == 404


@pytest.mark.django_db
def test_without_the_extras_json_goes_on_and_a_check_says_so(
    send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_extras(None) == []
    for name in [name for name in sys.modules if name.startswith(("opentelemetry.proto", "cramjam"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "systemlog.ingest.otlp_protobuf", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("opentelemetry.proto", "cramjam"):
        monkeypatch.setitem(sys.modules, name, None)
    assert [warning.id for warning in check_extras(None)] == ["systemlog.W090", "systemlog.W091"]
    assert send("/in/v1/logs", b"{}").status_code == 200
    assert send("/in/v1/logs", b"", "application/x-protobuf").status_code == 415
    assert send("/in/loki/api/v1/push", b"\x01\x00x", "application/x-protobuf").status_code == 415
