"""System checks of the alerts: rules and receivers that cannot be used, and rules that no lander evaluates."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps.config import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from systemlog.alerts.configuration import configuration, is_on
from systemlog.compat import in_tests
from systemlog.conf import NAME, conf


@register(Tags.compatibility)
def check_rules(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E120: every rule and receiver in the settings and in the file of `ALERTS_FILE` can be used."""
    if not (is_on() or conf().ALERT_RECEIVERS):
        return []
    return [Error(wrong.text, hint=wrong.hint or None, id="systemlog.E120") for wrong in configuration().mistakes]


@register(Tags.compatibility)
def check_evaluation(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W120: a lander evaluates the rules."""
    if not is_on() or conf().JOURNAL == "files" or in_tests():
        return []
    return [
        checks.Warning(
            f"There are alert rules, but {NAME}['JOURNAL'] is {conf().JOURNAL!r}, so no lander evaluates them.",
            hint="Run manage.py evaluate_alerts every minute, or set JOURNAL to 'files'.",
            id="systemlog.W120",
        )
    ]
