"""The headers `RateLimit-Policy` and `RateLimit` of every response, as in the draft `httpapi-ratelimit-headers`.

`RateLimit-Policy` names all policies that counted the request, `RateLimit` the one that has the fewest requests left.
"""

from __future__ import annotations

from typing import NamedTuple

from django.http.response import HttpResponseBase

from systemlog import compat
from systemlog.limits.gcra import remaining, wait_ns, whole_seconds
from systemlog.limits.policies import Policy

RATE_LIMIT = "RateLimit"
RATE_LIMIT_POLICY = "RateLimit-Policy"


class Count(NamedTuple):
    """A policy that has counted a request, and the spare time that is left (see `gcra`)."""

    policy: Policy
    spare_ns: int

    @property
    def remaining(self) -> int:
        """How many more requests are admitted at once."""
        return remaining(self.spare_ns, self.policy.rate)

    @property
    def wait_s(self) -> int:
        """Whole seconds until one more request is admitted."""
        return whole_seconds(wait_ns(self.spare_ns, self.policy.rate))


def write_headers(response: HttpResponseBase, counts: list[Count]) -> None:
    """Write the headers into the response."""
    policy, spare_ns = counts[0]
    items = policy.item
    if len(counts) > 1:
        items = ", ".join(count.policy.item for count in counts)
        policy, spare_ns = min(counts, key=lambda count: (count.remaining, count.spare_ns))
    interval_ns = policy.rate.interval_ns
    if spare_ns >= 0:  # `remaining` and `wait_ns` inline, because every request runs this
        left, span_ns = spare_ns // interval_ns, interval_ns - spare_ns % interval_ns
    else:
        left, span_ns = 0, -spare_ns
    # Setting a value of `headers` costs ten times as much, for a check that these values do not need.
    stored = compat.stored_headers(response)
    stored["ratelimit-policy"] = (RATE_LIMIT_POLICY, items)
    stored["ratelimit"] = (RATE_LIMIT, f"{policy.prefix}{left};t={whole_seconds(span_ns)}")
