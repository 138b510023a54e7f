"""The system check of the setting `RETENTION`."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps.config import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register

from systemlog.conf import NAME, conf
from systemlog.retention.policies import read_policies


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
