"""Reads single fields of a rule or receiver (durations, numbers, texts), and suggests a known name for a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from systemlog.exceptions import SystemLogError
from systemlog.records.durations import parse_duration
from systemlog.records.ids import MICROSECOND

SECOND_US = 1_000_000
MAX_TEXT_CHARACTERS = 200
MAX_SHOWN_CHARACTERS = 60

is_nearly_duration = re.compile(r"\s*([0-9]{1,9})\s*([A-Za-z]?)[A-Za-z]*\s*").fullmatch
is_label_name = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*").fullmatch


class Mistake(SystemLogError, ValueError):
    """A rule or receiver that cannot be used.

    `key` is the key concerned, `wrong` says what is wrong with the key, and `hint` says what to do.
    """

    def __init__(self, key: str, wrong: str, hint: str = "") -> None:
        super().__init__(f"{key!r} {wrong}")
        self.key = key
        self.wrong = wrong
        self.hint = hint


def nearest(word: object, words: Iterable[str]) -> str:
    """Return a hint that names the known word nearest to `word`, or all known words if none is near."""
    known = list(words)
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"The choices are {', '.join(map(repr, known))}." if known else "There are no choices."


def shown(value: object) -> str:
    """Return a value for a message: shortened, and without characters that control a terminal."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


def check_keys(given: Mapping[Any, Any], known: Iterable[str]) -> None:
    """Raise `Mistake` for a key that is not among the known ones."""
    names = list(known)
    for key in given:
        if key not in names:
            raise Mistake(str(key)[:MAX_SHOWN_CHARACTERS], "is no key that it can have", nearest(key, names))


def read_span(given: Mapping[str, Any], key: str, default: str, *, least_us: int, most: timedelta) -> int:
    """Return a duration such as `5m` in microseconds. Raises `Mistake`."""
    value = given.get(key, default)
    try:
        span = parse_duration(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise Mistake(key, f"is {shown(value)}, which is no duration", _nearest_duration(value)) from None
    if span > most:
        raise Mistake(key, f"is {shown(value)}, which is longer than {most.days} days", "Name a shorter duration.")
    if span // MICROSECOND < least_us:
        raise Mistake(key, f"is {shown(value)}, which is too short", f"Name at least {least_us // SECOND_US}s.")
    return span // MICROSECOND


def _nearest_duration(value: object) -> str:
    """Return a hint for a text that is no duration: `10s` for `10`, `10 sec` or `10S`, and the units otherwise."""
    found = None if isinstance(value, bool) else is_nearly_duration(str(value))
    near = found and f"{found[1]}{(found[2] or 's').lower()}"
    try:
        parse_duration(near or "")
    except (ValueError, OverflowError):
        return "Write a number and a unit: 90s, 15m, 12h, 30d, 2w or 7y."
    return f"Did you mean {near!r}? The units are s, m, h, d, w and y."


def read_number(given: Mapping[str, Any], key: str, least: int, most: int) -> int:
    """Return a whole number. Raises `Mistake`."""
    value = given.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Mistake(key, f"is {shown(value)}", f"It must be a whole number from {least} to {most}.")
    return value


def read_text(given: Mapping[str, Any], key: str) -> str:
    """Return a short printable text. Raises `Mistake`."""
    value = given.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT_CHARACTERS or not value.isprintable():
        raise Mistake(
            key, f"is {shown(value)}", f"It must be a printable text of 1 to {MAX_TEXT_CHARACTERS} characters."
        )
    return value


def read_labels(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of a rule. Raises `Mistake`."""
    labels = given.get("labels", {})
    if not isinstance(labels, Mapping):
        raise Mistake("labels", "is no object of names and texts", "Write {'severity': 'page'}.")
    for name, value in labels.items():
        if (
            not isinstance(name, str)
            or not is_label_name(name)
            or name == "alertname"
            or len(name) > MAX_TEXT_CHARACTERS
        ):
            raise Mistake(
                "labels", f"has the name {shown(name)}", "Use letters, digits and '_'; 'alertname' is the rule's name."
            )
        if not isinstance(value, str) or not value or len(value) > MAX_TEXT_CHARACTERS or not value.isprintable():
            raise Mistake("labels", f"has no printable text for {shown(name)}", "Write a short text.")
    return dict(labels)
