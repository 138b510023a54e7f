"""The access log: one record for each finished request, with its user, status, duration, size and annotations.

Records go to the logger `systemlog.access`. The settings `ACCESS_LOG`, `ACCESS_SLOW_S` and `ACCESS_RULES` select the
requests.
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
"""nginx's status for a request whose client closed the connection before a status was sent."""

MAX_PATH_CHARACTERS = 500
"""Longer paths are cut in records, because anyone can send a path of 8 kB."""


def cut_path(path: str) -> str:
    """Return the path as it stands in a record: at most `MAX_PATH_CHARACTERS`, with an ellipsis if it was cut."""
    return path if len(path) <= MAX_PATH_CHARACTERS else path[:MAX_PATH_CHARACTERS] + "…"


def annotate(**fields: object) -> None:
    """Add fields to the access record of the current request. Outside a request this has no effect."""
    correlation = current()
    if correlation is not None:
        correlation.annotations.update(fields)


def record(
    correlation: Correlation, method: str, path: str, route: str | None, status: int, size: int, completed: bool = True
) -> None:
    """Log the access record of a finished request if the settings select it: at WARNING for a 5xx, else at INFO.

    `route` is the URL pattern of the view; None if no pattern matched, or if a middleware answered. `size` is the
    number of bytes of the body that were sent. `completed` is False if the response was cut off.
    """
    seconds = (time.perf_counter_ns() - correlation.started_ns) / 1e9
    level = logging.WARNING if status >= 500 else logging.INFO
    if not logger.isEnabledFor(level):
        return
    if completed and conf().ACCESS_RULES and not is_wanted(path, route, status, seconds):
        return
    # Does the same as `logger.log(level, "%s …", extra=...)` at half the cost: that call would search the caller, and
    # check that no field has the name of an attribute. The path is escaped, because a line break in it would forge a
    # line of a log file.
    args = (method, cut_path(escape_uri_path(path[: MAX_PATH_CHARACTERS + 1])), status, seconds * 1000)
    entry = logger.makeRecord(logger.name, level, "access_log.py", 0, "%s %s %d in %.0f ms", args, None, "record")
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
    fields["annotations"] = dict(correlation.annotations)  # a copy: a task may annotate later
    logger.handle(entry)


def is_wanted(path: str, route: str | None, status: int, seconds: float) -> bool:
    """Return whether a completed request is recorded: always if it failed or was slow, else by the first rule."""
    settings = conf()
    if status >= 500 or seconds >= settings.ACCESS_SLOW_S:
        return True
    for rule in settings.ACCESS_RULES:
        if _matches(rule, path, route or "", status, seconds):
            return random.random() < float(rule.get("sample", 1))  # noqa: S311  (not used for secrets)
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
