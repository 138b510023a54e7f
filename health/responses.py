"""Responses of the health endpoints, in the media type that the client asked for."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

import django
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse

from health.accept import choose
from health.compat import mark_as_logged
from health.conf import conf
from health.metrics.alone import warn_if_alone
from health.metrics.exposition import openmetrics_text, prometheus_text
from health.metrics.rate import WINDOW_S, requests_last_minute
from health.metrics.uptime import uptime_s
from health.readiness import Verdict, has_started, judge
from health.states import State

JSON = "application/json"
HEALTH_JSON = "application/health+json"
PROBLEM_JSON = "application/problem+json"
TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text"

FORMATS = {"json": JSON, "prometheus": TEXT, "openmetrics": OPENMETRICS}


def live(request: HttpRequest, details: bool) -> HttpResponse:
    """Answer liveness: always 200. Nothing is checked, because the answer itself proves that the process lives."""
    if _wants_ietf(request):
        return _json({"status": "pass"}, content_type=HEALTH_JSON)
    return _json({"status": "ok", "timestamp": _now(), "message": "The process is alive."})


def ready(request: HttpRequest, details: bool) -> HttpResponse:
    """Answer readiness: 200 if the instance may be sent traffic, else 503."""
    verdict = judge()
    if _wants_ietf(request):
        return _ietf(verdict, details)
    body: dict[str, object] = {
        "status": "ready" if verdict.ready else "maintenance",
        "timestamp": _now(),
        "db_ok": verdict.db_ok,
        "message": verdict.message,
    }
    return _json(body | _details(verdict, details), status=_status(verdict))


def summary(request: HttpRequest, details: bool) -> HttpResponse:
    """Answer the summary: the state of the service, with details for clients that may see them."""
    verdict = judge()
    if _wants_ietf(request):
        return _ietf(verdict, details)
    body: dict[str, object] = {
        "status": "ok" if verdict.ready else "maintenance",
        "timestamp": _now(),
        "message": verdict.message,
    }
    return _json(body | _details(verdict, details), status=_status(verdict))


def startup(request: HttpRequest, details: bool) -> HttpResponse:
    """Answer startup: 503 until all critical probes have passed once, then 200 for the life of the process."""
    verdict = judge()
    started = has_started()
    status = 200 if started else 503
    if _wants_ietf(request):
        return _json({"status": "pass" if started else "fail"}, status=status, content_type=HEALTH_JSON)
    body: dict[str, object] = {
        "status": "started" if started else "starting",
        "timestamp": _now(),
        "message": "Start-up is over." if started else "Waiting for what the service needs.",
    }
    return _json(body | _details(verdict, details), status=status)


def metrics(request: HttpRequest, details: bool) -> HttpResponse:
    """Answer the metrics: a short JSON summary, Prometheus text or OpenMetrics."""
    try:
        name = request.GET.get("format")
    except TooManyFieldsSent:
        return refusal(request, 400, "The query string has too many parameters.", {})
    if name is not None and name not in FORMATS:
        return refusal(request, 400, f"The parameter `format` must be one of: {', '.join(FORMATS)}.", {})
    chosen = FORMATS[name] if name else choose(request.headers.get("Accept", ""), (JSON, TEXT, OPENMETRICS))
    if chosen == JSON:
        return _json(
            {
                "timestamp": _now(),
                "uptime_seconds": round(uptime_s(), 3),
                "request_rate_hint": round(requests_last_minute() / WINDOW_S, 3),
            }
        )
    warn_if_alone(request)
    content, content_type = (openmetrics_text if chosen == OPENMETRICS else prometheus_text)(details=details)
    return _respond(content, 200, content_type)


def refusal(request: HttpRequest, status: int, detail: str, headers: Mapping[str, str]) -> HttpResponse:
    """Return a problem (RFC 9457) for a request that the endpoint refuses."""
    body = {
        "type": "about:blank",
        "title": {400: "Bad Request", 401: "Unauthorized", 405: "Method Not Allowed"}[status],
        "status": status,
        "detail": detail,
        "instance": quote(request.path),
    }
    if correlation_id := getattr(request, "correlation_id", None):
        body["correlation_id"] = correlation_id
    response = _json(body, status=status, content_type=PROBLEM_JSON)
    for name, value in headers.items():
        response[name] = value
    return response


def _ietf(verdict: Verdict, details: bool) -> HttpResponse:
    body: dict[str, object] = {"status": verdict.state.value, "output": verdict.message}
    if verdict.state is State.PASS:
        del body["output"]  # the draft allows it only in the other states
    if details:
        body |= {"version": conf().VERSION, "checks": _ietf_checks(verdict)}
    return _json(body, status=_status(verdict), content_type=HEALTH_JSON)


def _ietf_checks(verdict: Verdict) -> dict[str, list[dict[str, object]]]:
    return {
        probe.name: [
            {
                "status": result.state.value,
                "observedValue": round(result.took_s * 1000, 3),
                "observedUnit": "ms",
                **({"output": result.detail} if result.detail else {}),
            }
        ]
        for probe, result in verdict.results
    }


def _details(verdict: Verdict, allowed: bool) -> dict[str, object]:
    if not allowed:
        return {}
    now = time.monotonic()
    return {
        "version": conf().VERSION,
        "django": django.get_version(),
        "python": platform.python_version(),
        "uptime_seconds": round(uptime_s(), 3),
        "draining": verdict.draining,
        "probes": {
            probe.name: {
                "state": result.state.value,
                "critical": probe.critical,
                "detail": result.detail,
                "took_ms": round(result.took_s * 1000, 3),
                "age_seconds": round(max(0.0, now - result.finished), 3),
            }
            for probe, result in verdict.results
        },
    }


def _wants_ietf(request: HttpRequest) -> bool:
    header = request.headers.get("Accept", "")
    return HEALTH_JSON in header and choose(header, (JSON, HEALTH_JSON)) == HEALTH_JSON


def _status(verdict: Verdict) -> int:
    return 200 if verdict.ready else 503


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(body: Mapping[str, object], *, status: int = 200, content_type: str = JSON) -> HttpResponse:
    return _respond(json.dumps(body, separators=(",", ":")).encode() + b"\n", status, content_type)


def _respond(content: bytes, status: int, content_type: str) -> HttpResponse:
    response = HttpResponse(content, status=status, content_type=content_type)
    headers = response.headers
    headers["Content-Length"] = str(len(content))
    headers["Cache-Control"] = "no-store"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Vary"] = "Accept"
    # Django would log every 503 as an error and mail it to the administrators, each second while the database is down.
    # The runner logs the change of a probe's state once.
    mark_as_logged(response)
    return response
