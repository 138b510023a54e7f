"""One record for each request, when it is over: who asked for what, what came of it, and what the view adds.

Goes to the logger `systemlog.access` and knows no log store. The settings `ACCESS_LOG`, `ACCESS_SLOW_S` and
`ACCESS_RULES` say which requests get one.
"""

from __future__ import annotations

import fnmatch
import functools
import logging
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.encoding import escape_uri_path

from systemlog.conf import conf
from systemlog.correlation.context import Correlation, current

logger = logging.getLogger("systemlog.access")

CLIENT_CLOSED_REQUEST = 499
"""No status was sent: the client went away first. The number is nginx's."""

MAX_PATH_CHARACTERS = 500
"""A path in a record is cut here: anyone may send one of 8 kB, and each record would keep it."""


def cut_path(path: str) -> str:
    """The path as a record tells it; of a very long one the beginning."""
    return path if len(path) <= MAX_PATH_CHARACTERS else path[:MAX_PATH_CHARACTERS] + "…"


def annotate(**fields: object) -> None:
    """Add fields to the access record of the running request; outside a request it does nothing."""
    correlation = current()
    if correlation is not None:
        correlation.annotations.update(fields)


def record(
    correlation: Correlation, method: str, path: str, route: str | None, status: int, size: int, completed: bool = True
) -> None:
    """Log the access record of a request that is over, if the rules want it: WARNING for a 5xx, else INFO.

    `route` is the pattern of the URL that it came to; None where none fits, or a middleware answered. `size` is in
    bytes, and `completed` says whether all of the response went out.
    """
    seconds = (time.perf_counter_ns() - correlation.started_ns) / 1e9
    level = logging.WARNING if status >= 500 else logging.INFO
    if not logger.isEnabledFor(level):
        return
    if completed and conf().ACCESS_RULES and not is_wanted(path, route, status, seconds):
        return
    # What `logger.log(level, "%s …", extra=...)` does, at half the cost: where this is called from is known, and that
    # no field is one of the record's own. The path is escaped: a line break in it would forge a line of a log file.
    args = (method, cut_path(escape_uri_path(path[: MAX_PATH_CHARACTERS + 1])), status, seconds * 1000)
    entry = logger.makeRecord(logger.name, level, "access.py", 0, "%s %s %d in %.0f ms", args, None, "record")
    fields = entry.__dict__
    fields["action"] = "request"
    fields["correlation_id"] = correlation.correlation_id
    fields["trace_id"] = correlation.trace_id
    fields["user_id"] = correlation.user_id
    fields["id_from_client"] = correlation.from_client
    fields["method"] = method
    fields["route"] = route
    fields["status"] = status
    fields["duration_ms"] = seconds * 1000
    fields["bytes"] = size
    fields["completed"] = completed
    fields["annotations"] = dict(correlation.annotations)  # what a task adds later is not for this record
    logger.handle(entry)


def is_wanted(path: str, route: str | None, status: int, seconds: float) -> bool:
    """Whether a completed request is recorded: errors and slow ones always, of the rest what the first rule says."""
    settings = conf()
    if status >= 500 or seconds >= settings.ACCESS_SLOW_S:
        return True
    for rule in settings.ACCESS_RULES:
        if _matches(rule, path, route or "", status, seconds):
            return random.random() < float(rule.get("sample", 1))  # noqa: S311  (a sample, no secret)
    return True


def _matches(rule: Mapping[str, Any], path: str, route: str, status: int, seconds: float) -> bool:
    if "route" in rule and not _pattern(rule["route"])(route):
        return False
    if "path" in rule and not _pattern(rule["path"])(path):
        return False
    if "status" in rule and not _status_fits(str(rule["status"]), status):
        return False
    return seconds < float(rule.get("faster_than", math.inf))


def _status_fits(wanted: str, status: int) -> bool:
    return wanted == str(status) or wanted == f"{status // 100}xx"


@functools.cache
def _pattern(glob: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(glob)).match
