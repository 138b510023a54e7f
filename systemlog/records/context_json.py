"""Reading a stored context, whoever wrote it: plain SQL can store what JSON libraries refuse to say."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from math import isfinite
from typing import Any

import orjson

UNREADABLE = "unreadable"
"""The key under which the beginning of a context stands that cannot be read at all."""

SHOWN_CHARACTERS = 1000
MAX_DIGITS = 4000

_many_digits = re.compile(r"\d{19}")
_escaped_surrogate = re.compile(r"\\u[dD][89abAB]")
_surrogate = re.compile("[\ud800-\udfff]")


def as_json(text: str) -> str:
    """The stored text of a context, if it is JSON; else JSON that says what `ContextDecoder` makes of it."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.dumps(ContextDecoder().decode(text))
    return text


class ContextDecoder(json.JSONDecoder):
    """`json`'s decoder, but numbers that are too large become texts, and what cannot be read is shown as a text."""

    def __init__(self) -> None:
        """As little as can be: `json` makes a decoder for each text."""

    def decode(self, s: str, *args: Any) -> Any:
        """The value; an object with one key if there is none."""
        # Orjson takes a thirtieth of the time; what it refuses, or would make a float of, goes the long way.
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
