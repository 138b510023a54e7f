"""The canonical form of a record: the bytes that a digest covers, the same for every database and archive.

The form is a JSON array of the columns below, without spaces. The context comes last, with its keys sorted by code
point and its numbers exact: `1.50` and `15e-1` are both `1.5`. Columns that archives do not have, such as the group of
a record, are not part of the form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from systemlog.exceptions import SystemLogError
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

# A number that orjson may not reproduce exactly. A match inside a string only leads to the slower path.
_inexact = re.compile(r"[:\[,]\s*-?(?:\d+[.eE]|\d{19}|0)")
_name_end = re.compile(r'"\s*:')
_number = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")


class _Number(str):
    """A number, as its text in the canonical form."""

    __slots__ = ()


class _NotExact(SystemLogError, ValueError):
    """An object has the same key twice."""


def canonical(values: Sequence[str | None], *, unique_keys: bool = False) -> bytes:
    """Return the canonical form of a record. The values are texts in the order of `COLUMNS`.

    The timestamp is RFC 3339 in UTC with six digits and `Z`, the id 32 hexadecimal digits, the context JSON text.
    `unique_keys` says that no object in the context has the same key twice, as PostgreSQL's jsonb guarantees.
    """
    try:
        head = orjson.dumps(values[:CONTEXT])
    except orjson.JSONEncodeError:  # a text that is not valid Unicode, which plain SQL can store in SQLite
        head = _dump(list(values[:CONTEXT]))
    return b"%b,%b]" % (head[:-1], canonical_context(values[CONTEXT] or "", unique_keys=unique_keys))


def canonical_context(text: str, *, unique_keys: bool = False) -> bytes:
    """Return the canonical form of a context: as in archives, `{"unreadable": text}` if the text is no JSON object."""
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
    """Whether no object has a key twice. False if a quick count cannot prove it."""
    # Without a backslash, each quote begins or ends a string, so that there are at least as many matches as members.
    return "\\" not in text and len(_name_end.findall(text)) == _count_members(value)


def _count_members(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_members, value.values()))
    return sum(map(_count_members, value)) if isinstance(value, list) else 0


def plain_number(text: str) -> str:
    """Return a JSON number in its canonical form: no redundant zeros, and no exponent up to `MOST_DIGITS` digits."""
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
        raise _NotExact  # parsers differ in which value they take, so the whole text counts as unreadable
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
    elif isinstance(value, bytes):  # plain SQL can store bytes in any column of SQLite
        parts.append(f'{{"bytes":"{value.hex()}"}}')
    else:
        parts.append(json.dumps(value, ensure_ascii=False))
