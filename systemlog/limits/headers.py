"""The headers `RateLimit-Policy` and `RateLimit` of every response, as in the draft `httpapi-ratelimit-headers`.

`RateLimit-Policy` names all policies that counted the request, `RateLimit` the one that has the fewest requests left.
"""

from __future__ import annotations

from django.http.response import HttpResponseBase

from systemlog import compat
from systemlog.limits.gcra import SECOND_NS, remaining
from systemlog.limits.policies import RATE_LIMIT_POLICY, Policy

RATE_LIMIT = "RateLimit"


Count = tuple[Policy, int]
"""A policy that has counted a request, and the spare time that is left (see `gcra`)."""


def write_headers(response: HttpResponseBase, counts: list[Count]) -> None:
    """Write the headers into the response."""
    policy, spare_ns = counts[0]
    header = policy.header
    if len(counts) > 1:
        header = (RATE_LIMIT_POLICY, ", ".join(policy.header[1] for policy, _ in counts))
        policy, spare_ns = min(counts, key=_strictness)
    # The functions `remaining`, `wait_ns` and `whole_seconds` are inlined, because every request runs this.
    interval_ns = policy.rate[0]
    if spare_ns >= 0:
        left, part_ns = divmod(spare_ns, interval_ns)
        seconds = 1 if interval_ns <= SECOND_NS else -((part_ns - interval_ns) // SECOND_NS)
    else:
        left, seconds = 0, -(spare_ns // SECOND_NS)
    # Setting a value of `headers` costs ten times as much, for a check that these values do not need.
    stored = compat.stored_headers(response)
    stored["ratelimit-policy"] = header
    stored["ratelimit"] = (RATE_LIMIT, f"{policy.prefix}{left};t={seconds}")


def _strictness(count: Count) -> tuple[int, int]:
    policy, spare_ns = count
    return remaining(spare_ns, policy.rate), spare_ns
