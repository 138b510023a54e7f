"""Reading JSON as RFC 8259 has it: without NaN and Infinity."""

from __future__ import annotations

import json
from typing import Any

from systemlog.exceptions import SystemLogError


class Malformed(SystemLogError, ValueError):
    """The text is no JSON."""


def read_json(text: str) -> Any:
    """The JSON value in `text`. Raises `Malformed`, also for what JSON does not have: NaN, numbers of 5,000 digits."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed from error


def refuse_constant(name: str) -> float:
    """For `json`: NaN and Infinity are no JSON. Raises `ValueError`."""
    raise ValueError(name)
