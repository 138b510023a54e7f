"""Admission of requests, as the middleware, the throttle class and the decorator share it.

Each of the three stores its counts on the request. The middleware writes the headers of the response from these counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest

from systemlog.conf import conf
from systemlog.limits.guard import PAUSE_S, guard
from systemlog.limits.headers import Count
from systemlog.limits.metrics import instruments
from systemlog.limits.policies import Policy, policies
from systemlog.limits.refusals import refusals
from systemlog.problems.types import TooManyRequests, Unavailable

COUNTS = "_systemlog_limits"
"""Attribute of a request that holds its counts."""


def limit_exceeded(count: Count) -> TooManyRequests:
    """Return the refusal of a request that is over a limit."""
    members: dict[str, Any] = {"violated-policies": [count.policy.name]}
    problem = TooManyRequests(headers={"Retry-After": str(count.wait_s), "Cache-Control": "no-store"}, **members)
    problem.is_recorded = True
    return problem


def limits_unavailable() -> Unavailable:
    """Return the refusal of a request while the store does not answer and `LIMITS_FAIL` is `closed`."""
    problem = Unavailable(headers={"Retry-After": str(PAUSE_S), "Cache-Control": "no-store"})
    problem.is_recorded = True
    return problem


def counts_of(request: HttpRequest) -> list[Count]:
    """Return the counts of the request so far, one for each policy."""
    found: list[Count] | None = request.__dict__.get(COUNTS)
    if found is None:
        found = request.__dict__[COUNTS] = []
    return found


def admit(request: HttpRequest, those: Iterable[Policy], counts: list[Count]) -> None:
    """Count the request by each of the policies that applies to it, until one refuses it.

    Raises `TooManyRequests`, or `Unavailable` if the store does not answer and `LIMITS_FAIL` is `closed`.
    """
    for policy in those:
        if policy.applies is not None and not policy.applies(request):
            continue
        who = policy.who(request)
        if who is None:
            continue
        spare = guard().take(policy.key(who), policy.rate)
        if spare is None:
            if conf().LIMITS_FAIL == "closed":
                raise limits_unavailable()
            continue
        counted = Count(policy, spare)
        counts.append(counted)
        if spare < 0:
            instruments().LIMITED.labels(policy.name).inc()
            refusals.note(policy.key(who), policy.name, policy.by, who)
            raise limit_exceeded(counted)


def admit_user(request: HttpRequest) -> None:
    """Count a request by every policy except those by address. Raises the same errors as `admit`.

    For views that authenticate by themselves: `request.user` must be set. Views of REST framework use `LimitThrottle`.
    """
    others = policies().others
    if others:
        admit(request, others, counts_of(request))
