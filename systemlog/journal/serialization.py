"""JSON of anything that can be logged: fast for plain values, tolerant for all others.

Nothing here raises, whatever value is given, and nothing asks a database: a queryset, or a user that is not loaded yet,
becomes its name. Values that JSON or PostgreSQL cannot hold (NUL, lone surrogates, NaN, cycles, keys that are no
strings, very large integers) are replaced by the nearest possible ones.
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

from systemlog import compat
from systemlog.correlation.access_log import cut_path
from systemlog.journal import reentrancy
from systemlog.records.fields import MAX_CONTEXT_BYTES, MAX_CONTEXT_DEPTH
from systemlog.records.row import context_as_json
from systemlog.redaction import has_secret, redact_value

CUT_CHARACTERS = (16_000, 8000, 4000, 2000)
"""If the JSON of a context exceeds `MAX_CONTEXT_BYTES`, its strings are cut to the first of these lengths with which
the context fits, so that short strings stay whole beside a long one."""

CUT_ITEMS = 100
"""Items of a container that are kept if even the shortest strings do not make the context fit."""

MAX_DIGITS = 1000
SHOWN_CHARACTERS = 8000

TRUNCATED = "truncated"
"""The key of a context that holds the size in bytes that a record from outside had before it was cut."""

NUL = b"\\u0000"
"""NUL as JSON writes it. PostgreSQL cannot store one."""

_unstorable = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """Return the text with U+FFFD in place of each NUL and each lone surrogate."""
    if text.isascii() and "\0" not in text:  # most texts; much faster than the pattern
        return text
    return _unstorable.sub("\ufffd", text)


def storable(value: dict[str, Any], data: bytes) -> bytes:
    """Return the JSON of a context in a form that can be stored.

    `data` is what orjson made of the context `value`, which may contain NUL or be too large.
    """
    if NUL in data:  # this may be only an escaped backslash before `u0000`; the slow path is right for that as well
        data = walked(value)
    if len(data) <= MAX_CONTEXT_BYTES:
        return data
    if has_secret(data):  # redact before cutting: of a secret that is cut in two, a part would stay
        value = cast(dict[str, Any], redact_value(json.loads(data)))
    return _shortened(value)


def json_default(value: object) -> object:
    """Return a JSON value that describes an object which JSON does not have. For orjson's `default`; never raises."""
    with reentrancy.ForeignCode():
        return _json_default(value, type(value))


def _json_default(value: Any, kind: type) -> object:  # noqa: PLR0911  (one for each kind)
    try:
        content = compat.lazy_content(value)
        if content is not value:
            return f"<{kind.__name__}>" if content is compat.NOT_LOADED else content
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
    """Return any value as one string. Never raises, and asks no database."""
    text = json_default(value)
    if type(text) is not str:  # the content of a lazy object, or a container
        text = json_default(text)
    return text if type(text) is str else f"<{type(value).__name__}>"


def subject_of(value: Any) -> str:
    """Return `app_label.model:pk` for a model instance, and any other value as a string."""
    meta = getattr(type(value), "_meta", None)
    return str(value) if meta is None else f"{meta.label_lower}:{value.pk}"


def in_words(value: Any) -> Any:
    """Return a short text for a request or response that stands on a log record; any other value as it is.

    A request becomes `GET /path`, without its query string and cut where it is very long. A response becomes its
    status. The socket that Django's development server puts there becomes None.
    """
    if issubclass(type(value), socket.socket):
        return None
    with suppress(Exception):  # any object may be called a request
        method, path = getattr(value, "method", None), getattr(value, "path", None)
        if isinstance(method, str) and isinstance(path, str):
            return f"{method} {cut_path(path)}"
        if isinstance(status := getattr(value, "status_code", None), int):
            return f"{status} {getattr(value, 'reason_phrase', '')}".rstrip()
    return value


def dump(value: Any) -> bytes:
    """Return the JSON of a value that consists of JSON's own types."""
    return context_as_json(value).encode()


def walked(value: object, *, cut: int = 0) -> bytes:
    """Return the JSON of any value, without anything that JSON or PostgreSQL cannot hold.

    Strings are cut to `cut` characters, unless `cut` is 0.
    """
    plain = _plain(value, 0, frozenset(), cut)
    return dump(plain)


def _plain(value: Any, depth: int, above: frozenset[int], cut: int) -> Any:  # noqa: PLR0911  (one for each kind)
    """Return a copy that consists of JSON's own types alone.

    `above` holds the identities of the containers around the value, to find cycles. Strings are cut to `cut`
    characters, unless `cut` is 0.
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
        if depth >= MAX_CONTEXT_DEPTH:
            return f"<{kind.__name__}, nested deeper than {MAX_CONTEXT_DEPTH}>"
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
        # orjson writes datetime, UUID, dataclass and enum; this keeps its forms.
        read = orjson.loads(orjson.dumps(value, default=json_default))
    except (TypeError, ValueError, RecursionError):
        read = f"<{kind.__name__}>"
    return _plain(read, depth, above, cut)


def _key(key: object, cut: int) -> str:
    text = key if isinstance(key, str) else str(json_default(key) if not isinstance(key, int | float | None) else key)
    return clean(text)[: cut or None]


def _cut(text: str, most: int) -> str:
    """Cut a text in the middle. The end that is kept is three times the beginning, because a traceback ends with the
    error."""
    left_out = len(text) - most
    if left_out <= 0:
        return text
    beginning = most // 4
    return f"{text[:beginning]}… [{left_out} characters cut] …{text[beginning + left_out :]}"


def _shortened(value: dict[str, Any]) -> bytes:
    """Return the JSON of a context that is too large, cut to fit. Tracebacks come first, so that they are cut last."""
    tracebacks = {name: value[name] for name in ("exception", "stack") if isinstance(value.get(name), str)}
    value = {name: value[name] for name in (TRUNCATED,) if name in value} | tracebacks | value
    for most in CUT_CHARACTERS:
        data = walked(value, cut=most)
        if len(data) <= MAX_CONTEXT_BYTES:
            return data
    beginning = data[:SHOWN_CHARACTERS].decode("utf-8", "ignore")
    kept: dict[str, Any] = {name: _cut(clean(text), SHOWN_CHARACTERS) for name, text in tracebacks.items()}
    if isinstance(value.get(TRUNCATED), int):
        kept = {TRUNCATED: value[TRUNCATED], **kept}
    return dump({**kept, "cut": beginning, "bytes": len(data)})
