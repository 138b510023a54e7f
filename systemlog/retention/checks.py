"""The system check of the setting `RETENTION`."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps.config import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from systemlog.conf import NAME, conf
from systemlog.retention.policies import AUDIT_KEEP, names_audit, read_policies


@register(Tags.compatibility)
def check_policies(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E002: `RETENTION` is a list of valid policies, and no policy makes a later one useless."""
    given = conf().RETENTION
    if not isinstance(given, list):
        return []  # the check of all settings reports the wrong type
    try:
        read_policies(given)
    except ValueError as error:
        hint = "See RETENTION in the documentation of the settings."
        return [Error(f"{NAME}['RETENTION'] {error}.", hint=hint, id="systemlog.E002")]
    return []


@register(Tags.compatibility)
def check_audit_policies(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W113: no policy deletes audit records before their 7 years, or without an archive."""
    try:
        policies = read_policies(conf().RETENTION)
    except (TypeError, ValueError):
        return []
    short = [policy for policy in policies if names_audit(policy) and policy.keep is not None]
    if all(policy.keep >= AUDIT_KEEP and policy.archive for policy in short if policy.keep is not None):
        return []
    return [
        CheckWarning(
            f"{NAME}['RETENTION'] deletes records of `audit.*` before 7 years are over, or does not archive them.",
            hint="Remove the policy: by default audit records are kept for 7 years, and archived before they go.",
            id="systemlog.W113",
        )
    ]
