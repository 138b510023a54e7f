"""Admission of requests, as the middleware, the throttle class and the decorator share it.

Each of the three stores its counts on the request. The middleware writes the headers of the response from these counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest

from systemlog.conf import conf
from systemlog.limits.gcra import remaining, wait_ns, whole_seconds
from systemlog.limits.guard import PAUSE_S, guard
from systemlog.limits.headers import Count
from systemlog.limits.metrics import instruments
from systemlog.limits.policies import Policy, policies
from systemlog.limits.refusals import refusals
from systemlog.problems.types import TooManyRequests, Unavailable

COUNTS = "_systemlog_limits"
"""Attribute of a request that holds its counts."""


def limit_exceeded(counts: list[Count]) -> TooManyRequests:
    """Return the refusal of a request by the last of its counts."""
    members: dict[str, Any] = {"violated-policies": [counts[-1][0].name]}
    # The policies that admitted this request must admit the next one, too.
    waits = [wait_ns(spare_ns, policy.rate) for policy, spare_ns in counts if not remaining(spare_ns, policy.rate)]
    retry_after = str(whole_seconds(max(waits)))
    problem = TooManyRequests(headers={"Retry-After": retry_after, "Cache-Control": "no-store"}, **members)
    problem.is_recorded = True
    return problem


def limits_unavailable() -> Unavailable:
    """Return the refusal of a request while the store does not answer and `LIMITS_FAIL` is `closed`."""
    problem = Unavailable(headers={"Retry-After": str(PAUSE_S), "Cache-Control": "no-store"})
    problem.is_recorded = True
    return problem


def counts_of(request: HttpRequest) -> list[Count]:
    """Return the counts of the request so far, one for each policy."""
    found: list[Count] | None = getattr(request, COUNTS, None)
    if found is None:
        found = []
        setattr(request, COUNTS, found)
    return found


def admit(request: HttpRequest, those: Iterable[Policy], counts: list[Count]) -> None:
    """Count the request by each of the policies that applies to it, until one refuses it.

    Raises `TooManyRequests`, or `Unavailable` if the store does not answer and `LIMITS_FAIL` is `closed`.
    """
    guarded = guard()
    for policy in those:
        applies, identify = policy.applies, policy.identify
        if applies is not None and not applies(request):
            continue
        client = identify(request)
        if client is None:
            continue
        spare = guarded.take(client[0], policy.rate)
        if spare is None:
            if conf().LIMITS_FAIL == "closed":
                raise limits_unavailable()
            continue
        counts.append((policy, spare))
        if spare < 0:
            instruments().LIMITED.labels(policy.name).inc()
            refusals.note(client[0], policy.name, policy.by, client[1])
            raise limit_exceeded(counts)


def admit_user(request: HttpRequest) -> None:
    """Count a request by every policy except those by address. Raises the same errors as `admit`.

    For views that authenticate by themselves: `request.user` must be set. Views of REST framework use `LimitThrottle`.
    """
    others = policies().others
    if others:
        admit(request, others, counts_of(request))
