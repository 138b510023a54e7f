"""The canonical form of a record: the bytes that a digest vouches for, the same from every database and archive.

It is a JSON array of the columns below, without spaces. Context comes last, with its keys sorted by code point and its
numbers exact: `1.50` and `15e-1` are both `1.5`. Columns that are not in an archive, such as a record's group, have no
part in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from systemlog.records.context_json import UNREADABLE

COLUMNS = (
    "timestamp",
    "id",
    "level",
    "category",
    "source",
    "message",
    "correlation_id",
    "user_id",
    "trace_id",
    "subject",
    "recorded_by",
    "context",
)
"""The columns in the order of the canonical form."""

CONTEXT = len(COLUMNS) - 1
MOST_DIGITS = 400
"""A number whose plain form has more digits is written with an exponent."""

# A number that orjson would not give back exactly. A match inside a text only costs the slower way.
_inexact = re.compile(r"[:\[,]\s*-?(?:\d+[.eE]|\d{19}|0)")
_name_end = re.compile(r'"\s*:')
_number = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")


class _Number(str):
    """The text of a number, as it is written."""

    __slots__ = ()


class _NotExact(ValueError):
    """An object has the same key twice."""


def canonical(values: Sequence[str | None], *, unique_keys: bool = False) -> bytes:
    """Return the canonical form of a record. The values are texts in the order of `COLUMNS`.

    The timestamp is RFC 3339 in UTC with six digits and `Z`, the id 32 hexadecimal digits, the context JSON text.
    `unique_keys` says that no object of the context has the same key twice, as PostgreSQL's jsonb makes sure.
    """
    try:
        head = orjson.dumps(values[:CONTEXT])
    except orjson.JSONEncodeError:  # a text that is no Unicode, which plain SQL can store in SQLite
        head = _dump(list(values[:CONTEXT]))
    return b"%b,%b]" % (head[:-1], canonical_context(values[CONTEXT] or "", unique_keys=unique_keys))


def canonical_context(text: str, *, unique_keys: bool = False) -> bytes:
    """Return the canonical form of a context. One that is no JSON object is `{"unreadable": text}`, as in archives."""
    if text == "{}":
        return b"{}"
    if not _inexact.search(text):
        try:
            value = orjson.loads(text)
            packed = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            return _exact(text)
        if type(value) is dict and (unique_keys or len(packed) == len(text.encode()) or _has_unique_keys(text, value)):
            return packed
    return _exact(text)


def _has_unique_keys(text: str, value: object) -> bool:
    """Whether no object has a key twice. False where a quick look cannot tell."""
    # Without a backslash each quote begins or ends a text, so that there are at least as many matches as members.
    return "\\" not in text and len(_name_end.findall(text)) == _count_members(value)


def _count_members(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_members, value.values()))
    return sum(map(_count_members, value)) if isinstance(value, list) else 0


def plain_number(text: str) -> str:
    """Return a JSON number in its one form: no zero that says nothing, and no exponent below `MOST_DIGITS` digits."""
    match = _number.fullmatch(text)
    if match is None:
        return text  # NaN and Infinity, which plain SQL can store in SQLite
    sign, whole, fraction, exponent = match.groups()
    digits = (whole + (fraction or "")).lstrip("0")
    power = int((exponent or "0")[:20]) - len(fraction or "")
    significant = digits.rstrip("0")
    power += len(digits) - len(significant)
    if not significant:
        return "0"
    if power >= 0:
        if len(significant) + power > MOST_DIGITS:
            return f"{sign}{significant}e{power}"
        return sign + significant + "0" * power
    places = -power
    if max(len(significant), places) > MOST_DIGITS:
        return f"{sign}{significant}e{power}"
    padded = significant.rjust(places + 1, "0")
    return f"{sign}{padded[:-places]}.{padded[-places:]}"


def _exact(text: str) -> bytes:
    try:
        value = json.loads(
            text, parse_float=_read_number, parse_int=_read_number, parse_constant=_Number, object_pairs_hook=_members
        )
        if type(value) is dict:
            return _dump(value)
    except (ValueError, RecursionError):
        pass
    return _dump({UNREADABLE: text})


def _read_number(text: str) -> _Number:
    return _Number(plain_number(text))


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _NotExact  # readers differ in which one they take, so that all of the text counts
    return members


def _dump(value: Any) -> bytes:
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode("utf-8", "surrogatepass")


def _write(value: Any, parts: list[str]) -> None:
    if isinstance(value, _Number):
        parts.append(value)
    elif isinstance(value, dict):
        parts.append("{")
        for number, name in enumerate(sorted(value)):
            parts.append(f"{',' if number else ''}{json.dumps(name, ensure_ascii=False)}:")
            _write(value[name], parts)
        parts.append("}")
    elif isinstance(value, list):
        parts.append("[")
        for number, member in enumerate(value):
            if number:
                parts.append(",")
            _write(member, parts)
        parts.append("]")
    else:
        parts.append(json.dumps(value, ensure_ascii=False))
