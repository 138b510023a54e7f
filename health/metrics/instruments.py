"""Every metric of the app."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from health.metrics.multiprocess import install

install()  # before the first metric is created, because a metric keeps the value class of that moment

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("django_http_requests", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "django_http_request_duration_seconds", "Time to the response's start.", ["method", "route"], buckets=BUCKETS_S
)
IN_PROGRESS = Gauge("django_http_requests_in_progress", "Requests in progress.", multiprocess_mode="livesum")
EXCEPTIONS = Counter("django_http_exceptions", "Exceptions that no view or middleware caught.", ["exception"])
PROBLEMS = Counter("django_http_problems", "RFC 9457 problem responses.", ["type"])
CONNECTIONS = Counter("django_db_connections_opened", "Database connections opened.", ["alias"])
LOG_RECORDS = Counter("django_log_records", "Log records.", ["level"])

PROBE_STATE = Gauge(
    "health_probe_state",
    "Whether the probe's last result was this state: 1 or 0.",
    ["probe", "state"],
    multiprocess_mode="livemostrecent",
)
PROBE_DURATION = Gauge(
    "health_probe_duration_seconds", "Duration of the probe's last run.", ["probe"], multiprocess_mode="livemostrecent"
)
COLLECTOR_SUCCESS = Gauge(
    "health_collector_success",
    "Whether the collector's last run succeeded: 1 or 0.",
    ["collector"],
    multiprocess_mode="livemostrecent",
)
READY = Gauge(
    "health_ready", "Whether the last readiness answer was ready: 1 or 0.", multiprocess_mode="livemostrecent"
)
