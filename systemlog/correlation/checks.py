"""System checks of the correlation settings, and of the middleware's position."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from systemlog.conf import NAME, conf
from systemlog.correlation.trusted_proxies import ALL, NONE, network_of

MIDDLEWARE = {
    "systemlog.correlation.CorrelationMiddleware",
    "systemlog.correlation.middleware.CorrelationMiddleware",
}

TRACERS = {"opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware"}
"""Middlewares of tracers, which put themselves first, so that their span covers the whole request."""

RULE_KEYS = {"route", "path", "status", "faster_than", "sample"}


@register(Tags.compatibility)
def check_trust(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Check that `CORRELATION_TRUST` is "all", "none" or a list of addresses and networks (E010)."""
    return [
        Error(
            f"{NAME}['CORRELATION_TRUST'] {error}.",
            hint="Set it to 'all', 'none', or a list of proxies such as ['10.0.0.0/8', 'unix'].",
            id="systemlog.E010",
        )
        for error in errors_of_trust(conf().CORRELATION_TRUST)
    ]


@register(Tags.compatibility)
def check_access_rules(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Check that the entries of `ACCESS_RULES` have known keys with valid values (E011)."""
    return [
        Error(
            f"{NAME}['ACCESS_RULES'][{number}] {error}.",
            hint="An entry looks like {'path': '/system-health*', 'status': '2xx', 'faster_than': 0.5, 'sample': 0.1}.",
            id="systemlog.E011",
        )
        for number, rule in enumerate(conf().ACCESS_RULES)
        for error in errors_of_rule(rule)
    ]


@register(Tags.compatibility)
def check_middleware(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Check that the correlation middleware, if installed, is listed once, and first except for a tracer's (W010)."""
    others = [path for path in settings.MIDDLEWARE if path not in TRACERS]
    places = [place for place, path in enumerate(others) if path in MIDDLEWARE]
    if places in ([], [0]):
        return []
    return [
        checks.Warning(
            "The correlation middleware must be the first in MIDDLEWARE, and be listed only once.",
            hint="Move it to the top, and remove duplicates: a middleware above it answers and logs without an id.",
            id="systemlog.W010",
        )
    ]


def errors_of_trust(trust: object) -> Iterator[str]:
    """Yield the errors of a value of `CORRELATION_TRUST`."""
    if isinstance(trust, str):
        if trust not in (ALL, NONE):
            yield f"is {trust!r}, which is neither 'all' nor 'none'"
    elif isinstance(trust, list | tuple):
        for proxy in trust:
            try:
                network_of(proxy)
            except ValueError:
                yield f"names {proxy!r}, which is no address, network or 'unix'"


def errors_of_rule(rule: object) -> Iterator[str]:
    """Yield the errors of an entry of `ACCESS_RULES`."""
    if not isinstance(rule, Mapping):
        yield "is no dictionary"
        return
    for key in sorted(set(rule) - RULE_KEYS, key=str):
        yield f"has {key!r}, which is none of {', '.join(sorted(RULE_KEYS))}"
    for key in ("route", "path"):
        if not isinstance(rule.get(key, ""), str):
            yield f"has a {key} that is no pattern"
    if not re.fullmatch(r"[1-5](xx|\d\d)", str(rule.get("status", "2xx"))):
        yield "has a status that is neither like 404 nor like '4xx'"
    if not isinstance(rule.get("faster_than", 0), int | float):
        yield "has a faster_than that is no number of seconds"
    sample = rule.get("sample", 1)
    if not isinstance(sample, int | float) or not 0 <= sample <= 1:
        yield "has a sample that is not between 0 and 1"
