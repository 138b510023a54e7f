"""Anything that somebody logs, as JSON: fast where it is plain already, tolerant where it is not.

Nothing here raises for what it is given, and nothing asks a database: a queryset or a user that was not loaded is told
by its name. What JSON or PostgreSQL cannot hold (NUL, lone surrogates, NaN, cycles, keys that are no texts, very large
integers) becomes the nearest that they can.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, cast

import orjson

from systemlog.correlation.access_log import cut_path
from systemlog.journal import reentrancy
from systemlog.records.row import context_as_json
from systemlog.redaction import has_secret, redact_value

MAX_DEPTH = 20
MAX_BYTES = 64 * 1024
"""The largest context, as JSON. Of a larger one each text and container is cut, and if need be all of it."""

CUT_CHARACTERS = (16_000, 8000, 4000, 2000)
"""To so many characters each text of a context that is too large is cut: the first of these with which it fits, so that
a small text is whole beside a large one."""

CUT_ITEMS = 100
"""So many items of a container stay where the shortest texts alone do not make it fit."""

MAX_DIGITS = 1000
SHOWN_CHARACTERS = 8000

TRUNCATED = "truncated"
"""The key of a context under which the bytes stand that a record from outside had before it was cut."""

NUL = b"\\u0000"
"""As JSON has it; PostgreSQL takes none."""

_unstorable = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without what cannot be stored: each NUL and lone surrogate is U+FFFD."""
    return _unstorable.sub("\ufffd", text)


def storable(value: dict[str, Any], data: bytes) -> bytes:
    """The JSON object of what somebody logged as it can be stored, where `data`, orjson's, perhaps cannot be."""
    if NUL in data:  # perhaps only an escaped backslash before `u0000`; walking it is right as well
        data = walked(value)
    if len(data) <= MAX_BYTES:
        return data
    if has_secret(data):  # redacted before it is cut: of a secret that is cut through, a part would stay
        value = cast(dict[str, Any], redact_value(json.loads(data)))
    return _shortened(value)


def json_default(value: object) -> object:
    """In place of an object that JSON does not have: what tells it best. For orjson's `default`; never raises."""
    with reentrancy.ForeignCode():
        return _json_default(value, type(value))


def _json_default(value: Any, kind: type) -> object:  # noqa: PLR0911  (one for each kind)
    try:
        if "_wrapped" in getattr(value, "__dict__", ()):  # Django's lazy object; not looked into if it would be loaded
            inner = value.__dict__["_wrapped"]
            return f"<{kind.__name__}>" if type(inner) is object else inner
        if isinstance(value, set | frozenset | tuple):
            return list(value)
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode("utf-8", "replace")
        if hasattr(kind, "_meta") and hasattr(kind, "_default_manager"):
            return subject_of(value)
        if hasattr(kind, "query") or hasattr(value, "get_queryset"):
            return f"<{kind.__name__}>"
        if isinstance(value, type) or callable(value):
            return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', kind.__name__)}"
        return str(value) or repr(value)
    except Exception:  # noqa: BLE001  (anybody's __str__ and __getattr__)
        return f"<{kind.__name__}>"


def named(value: object) -> str:
    """Any value as one text, as it is described; never raises, and asks no database."""
    told = json_default(value)
    if type(told) is not str:  # what a lazy object holds, or a container
        told = json_default(told)
    return told if type(told) is str else f"<{type(value).__name__}>"


def subject_of(value: Any) -> str:
    """`app_label.model:pk` of a model instance; any other value as text."""
    meta = getattr(type(value), "_meta", None)
    return str(value) if meta is None else f"{meta.label_lower}:{value.pk}"


def in_words(value: Any) -> Any:
    """What stands on a record as its `request` or `response`: a live one of Django's in words, all else as it is.

    A request is `GET /path`, without its query string and cut where it is very long; a response is its status. Of the
    socket that Django's development server puts there, nothing is to be told: None.
    """
    if issubclass(type(value), socket.socket):
        return None
    with suppress(Exception):  # whatever somebody calls a request
        method, path = getattr(value, "method", None), getattr(value, "path", None)
        if isinstance(method, str) and isinstance(path, str):
            return f"{method} {cut_path(path)}"
        if isinstance(status := getattr(value, "status_code", None), int):
            return f"{status} {getattr(value, 'reason_phrase', '')}".rstrip()
    return value


def dump(value: Any) -> bytes:
    """The JSON of what is JSON's own already."""
    return context_as_json(value).encode()


def walked(value: object, *, cut: int = 0) -> bytes:
    """The JSON of anything, without what JSON or PostgreSQL cannot hold; texts are cut to `cut`, unless it is 0."""
    plain = _plain(value, 0, frozenset(), cut)
    return dump(plain)


def _plain(value: Any, depth: int, above: frozenset[int], cut: int) -> Any:  # noqa: PLR0911  (one for each kind)
    """A copy of JSON's own types alone.

    `above` are the containers that it is in, by identity; texts are cut to `cut` characters, unless it is 0.
    """
    fewer = cut == CUT_CHARACTERS[-1]
    kind = type(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, str):
        text = clean(str.__str__(value))
        return _cut(text, cut) if cut else text
    if isinstance(value, int):
        number = int(value)
        return number if number.bit_length() < MAX_DIGITS * 3 else f"<an integer of {number.bit_length()} bits>"
    if isinstance(value, float):
        return float(value) if isfinite(value) else str(float(value))
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if id(value) in above:
            return "<contains itself>"
        if depth >= MAX_DEPTH:
            return f"<{kind.__name__}, nested deeper than {MAX_DEPTH}>"
        inside = above | {id(value)}
        if isinstance(value, Mapping):
            items = list(value.items())
            kept = items[:CUT_ITEMS] if fewer else items
            named = {_key(key, cut): _plain(item, depth + 1, inside, cut) for key, item in kept}
            return named if len(kept) == len(items) else named | {"…": f"{len(items) - len(kept)} more"}
        each = list(value)
        shown = each[:CUT_ITEMS] if fewer else each
        listed = [_plain(item, depth + 1, inside, cut) for item in shown]
        return listed if len(shown) == len(each) else [*listed, f"… {len(each) - len(shown)} more"]
    try:
        # datetime, UUID, dataclass, enum: as the fast way has them.
        read = orjson.loads(orjson.dumps(value, default=json_default))
    except (TypeError, ValueError, RecursionError):
        read = f"<{kind.__name__}>"
    return _plain(read, depth, above, cut)


def _key(key: object, cut: int) -> str:
    text = key if isinstance(key, str) else str(json_default(key) if not isinstance(key, int | float | None) else key)
    return clean(text)[: cut or None]


def _cut(text: str, most: int) -> str:
    """The beginning of a text and its end, which is three times as long: a traceback ends in what went wrong."""
    left_out = len(text) - most
    if left_out <= 0:
        return text
    beginning = most // 4
    return f"{text[:beginning]}… [{left_out} characters cut] …{text[beginning + left_out :]}"


def _shortened(value: dict[str, Any]) -> bytes:
    """A context that is too large, made to fit. What tells of an error comes first, and so goes last."""
    tracebacks = {name: value[name] for name in ("exception", "stack") if isinstance(value.get(name), str)}
    value = {name: value[name] for name in (TRUNCATED,) if name in value} | tracebacks | value
    for most in CUT_CHARACTERS:
        data = walked(value, cut=most)
        if len(data) <= MAX_BYTES:
            return data
    beginning = data[:SHOWN_CHARACTERS].decode("utf-8", "ignore")
    kept: dict[str, Any] = {name: _cut(clean(text), SHOWN_CHARACTERS) for name, text in tracebacks.items()}
    if isinstance(value.get(TRUNCATED), int):
        kept = {TRUNCATED: value[TRUNCATED], **kept}
    return dump({**kept, "cut": beginning, "bytes": len(data)})
