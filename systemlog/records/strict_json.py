"""Reading JSON strictly by RFC 8259, without NaN and Infinity."""

from __future__ import annotations

import json
from typing import Any

from systemlog.exceptions import SystemLogError


class Malformed(SystemLogError, ValueError):
    """The text is not JSON."""


def read_json(text: str) -> Any:
    """Return the JSON value in `text`.

    Raises `Malformed`, also for NaN, Infinity and numbers of 5,000 digits.
    """
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed from error


def refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, as `json`'s `parse_constant`. Raises `ValueError`."""
    raise ValueError(name)
