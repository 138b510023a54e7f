"""Reading a stored context. Plain SQL can store JSON that Python's JSON libraries refuse to read or write."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from math import isfinite
from typing import Any

import orjson

UNREADABLE = "unreadable"
"""The key that holds the beginning of a context that cannot be read at all."""

SHOWN_CHARACTERS = 1000
MAX_DIGITS = 4000

_many_digits = re.compile(r"\d{19}")
_escaped_surrogate = re.compile(r"\\u[dD][89abAB]")
_surrogate = re.compile("[\ud800-\udfff]")


def as_json(text: str) -> str:
    """Return the stored text of a context if it is JSON, else JSON of what `ContextDecoder` reads from it."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.dumps(ContextDecoder().decode(text))
    return text


class ContextDecoder(json.JSONDecoder):
    """A `json.JSONDecoder` that makes strings of too large numbers, and of unreadable text an object that shows it."""

    def __init__(self) -> None:
        """Do nothing yet: `json` makes a decoder for each text, and most texts need no more than orjson."""

    def decode(self, s: str, *args: Any) -> Any:
        """Return the value; an object with the key `unreadable` if there is none."""
        # orjson takes a thirtieth of the time. A text that orjson refuses, or in which it would make an integer a
        # float, is read by json.
        if not _many_digits.search(s):
            with suppress(orjson.JSONDecodeError):
                return orjson.loads(s)
        super().__init__(parse_float=_float, parse_int=_int, parse_constant=str)
        try:
            value = super().decode(s, *args)
        except (ValueError, RecursionError):
            return {UNREADABLE: s[:SHOWN_CHARACTERS]}
        return _without_surrogates(value) if _escaped_surrogate.search(s) else value


def _float(text: str) -> float | str:
    number = float(text)
    return number if isfinite(number) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _surrogate.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    return value
