"""The metrics of the alerts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from systemlog.alerts.configuration import is_on
from systemlog.alerts.reading import alert_states, health
from systemlog.alerts.states import ERROR, FIRING, INACTIVE, PENDING

STATES = (INACTIVE, PENDING, FIRING, ERROR)


def families() -> Iterator[Metric]:
    """Yield the metric families. Raises `DatabaseError`."""
    if not is_on():
        return
    states = GaugeMetricFamily(
        "systemlog_alert_state", "1 for the state that an alert rule is in, 0 for the others.", labels=["rule", "state"]
    )
    for found in alert_states():
        for state in STATES:
            states.add_metric([found.rule, state], float(found.state == state))
    yield states
    now = health()
    yield GaugeMetricFamily(
        "systemlog_alert_evaluation_duration_seconds", "Duration of the last evaluation of the rules.", now.duration_s
    )
    if now.age_s is not None:
        yield GaugeMetricFamily(
            "systemlog_alert_last_evaluation_age_seconds", "How long ago the rules were evaluated last.", now.age_s
        )
    yield GaugeMetricFamily("systemlog_alert_messages_waiting", "Messages about alerts not yet delivered.", now.waiting)
    yield GaugeMetricFamily(
        "systemlog_alert_oldest_message_age_seconds",
        "How long the oldest message about alerts has waited for delivery.",
        now.oldest_waiting_s,
    )
