"""One record for each request, when it is over: who asked for what, what came of it, and what the view adds.

Goes to the logger `systemlog.access` and knows no log store. The settings `ACCESS_RECORDS`, `ACCESS_SLOW_S` and
`ACCESS_RULES` say which requests get one.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import logging
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from systemlog.conf import conf
from systemlog.correlation.context import Correlation, current

logger = logging.getLogger("systemlog.access")

CLIENT_CLOSED_REQUEST = 499
"""No status was sent: the client went away first. The number is nginx's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response, as far as the record tells of them."""

    method: str
    route: str | None
    status: int


def annotate(**fields: object) -> None:
    """Add fields to the access record of the running request; outside a request it does nothing."""
    correlation = current()
    if correlation is not None:
        correlation.annotations = {**(correlation.annotations or {}), **fields}


def record(correlation: Correlation, exchange: Exchange, size: int, *, completed: bool = True) -> None:
    """Log the access record of a request that is over, if the rules want it."""
    seconds = (time.perf_counter_ns() - correlation.started_ns) / 1e9
    if not logger.isEnabledFor(logging.INFO) or (completed and not is_wanted(exchange, seconds)):
        return
    logger.info(
        "request",
        extra={
            "action": "request",
            "correlation_id": correlation.correlation_id,
            "trace_id": correlation.trace_id,
            "user_id": correlation.user_id,
            "id_from_client": correlation.from_client,
            "method": exchange.method,
            "route": exchange.route,
            "status": exchange.status,
            "duration_ms": round(seconds * 1000, 3),
            "bytes": size,
            "completed": completed,
            "annotations": correlation.annotations or {},
        },
    )


def is_wanted(exchange: Exchange, seconds: float) -> bool:
    """Whether a completed exchange is recorded: errors and slow ones always, of the rest what the first rule says."""
    settings = conf()
    if exchange.status >= 500 or seconds >= settings.ACCESS_SLOW_S:
        return True
    for rule in settings.ACCESS_RULES:
        if _matches(rule, exchange, seconds):
            return random.random() < float(rule.get("sample", 1))  # noqa: S311  (a sample, no secret)
    return True


def _matches(rule: Mapping[str, Any], exchange: Exchange, seconds: float) -> bool:
    if "route" in rule and not _route_pattern(rule["route"])(exchange.route or ""):
        return False
    if "status" in rule and not _status_fits(str(rule["status"]), exchange.status):
        return False
    return seconds < float(rule.get("faster_than", math.inf))


def _status_fits(wanted: str, status: int) -> bool:
    return wanted == str(status) or wanted == f"{status // 100}xx"


@functools.cache
def _route_pattern(glob: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(glob)).match
