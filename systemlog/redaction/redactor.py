"""Redacts texts and JSON values. One scan finds out whether there is a hit; only then is the value taken apart."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import orjson
from django.core.exceptions import ImproperlyConfigured

from systemlog.conf import conf
from systemlog.redaction import matchers, values
from systemlog.redaction.judging import is_harmless, is_weakly_secret
from systemlog.redaction.pairs import is_second
from systemlog.redaction.patterns import (
    SHORT_BYTES,
    Compile,
    Engine,
    build_issued_pattern,
    build_pattern,
    build_search,
    compile_fastest,
    without_groups,
)

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"

REDACTED = matchers.REDACTED.decode()

MAX_HITS = 1000
"""The number of hits in one text or value that are examined one by one. Each takes some 3 µs, so that 64 KiB of hits
would take 20 ms or more. The rest after the last of them is replaced unread."""

REST_REDACTED = b"[redacted: the rest, behind 1000 places that look like secrets]"

_MIN_CARD, _MAX_CARD = 10**13, 10**19


def redact_text(text: str) -> str:
    """Return `text` with each secret replaced by `[redacted]`; the same object if it has no secret."""
    return _in_force().text(text)


def redact_issued(text: str) -> str:
    """Return `text` with each secret replaced that needs no key: issued keys and tokens, JWTs, passwords in URLs.

    For names and ids, such as a record's category and subject, where a key or a number means nothing.
    """
    return _issued().text(text)


def redact_value(value: JSON) -> JSON:
    """Return a copy of `value` with secrets and values of sensitive keys replaced; `value` itself if it has none."""
    return _in_force().value(value)


def has_secret(serialised: bytes) -> bool:
    """Return whether JSON text may have a secret. False means that redacting the value would not change it."""
    return _in_force().hits(serialised)


def engine() -> Engine:
    """Return the engine of `has_secret` for the current settings, for code that calls it very often."""
    return _in_force().engine


class Redactor:
    """Finds and replaces secrets. `more_keys` are further sensitive names, as in REDACT_KEYS.

    `compile_pattern` chooses the engine: `patterns.compile_re2` or `patterns.compile_re`.
    """

    __slots__ = ("_classify", "_search", "_search_pieces", "engine")

    def __init__(self, more_keys: Iterable[str] = (), compile_pattern: Compile = compile_fastest) -> None:
        more_keys = tuple(more_keys)
        # An escaped letter is a reason to decode the JSON. In a text that is not JSON it would be a useless hit.
        pattern = build_pattern(more_keys, escapes=False)
        self._compile(build_search(more_keys), build_search(more_keys, escapes=False), pattern, compile_pattern)

    @classmethod
    def of_issued(cls, compile_pattern: Compile = compile_fastest) -> Redactor:
        """Return a redactor for `redact_issued`."""
        redactor = cls.__new__(cls)
        pattern = build_issued_pattern()
        search = without_groups(pattern)
        redactor._compile(search, search, pattern, compile_pattern)
        return redactor

    def _compile(self, whole: bytes, pieces: bytes, pattern: bytes, compile_pattern: Compile) -> None:
        self.engine = compile_pattern(whole)
        self._search = self.engine.search
        self._search_pieces = compile_pattern(pieces).search
        # Both engines choose the leftmost hit and its first alternative, so that `re` can classify the hits of RE2.
        self._classify = re.compile(pattern).match

    def hits(self, data: bytes) -> bool:
        """See `has_secret`."""
        return bool((self.engine.scan if len(data) <= SHORT_BYTES else self._search)(data))

    def text(self, text: str) -> str:
        """See `redact_text`."""
        return self._text(text, iter(range(MAX_HITS)))

    def value(self, value: JSON) -> JSON:
        """See `redact_value`."""
        try:
            if self._search(orjson.dumps(value)) is None:
                return value
        except TypeError:
            pass  # orjson cannot serialize it; the walk needs no serialization
        return self._walk(value, iter(range(MAX_HITS)))

    def _text(self, text: str, turns: Iterator[int]) -> str:
        """Return `text` redacted. Each hit consumes one of the `turns`, which all texts of a value share."""
        data = text.encode("utf-8", "surrogatepass")
        if self._search(data) is None:
            return text
        if text.lstrip()[:1] in ("{", "["):
            try:
                return self._json(text, turns)
            except (ValueError, RecursionError):
                pass  # not JSON, or JSON that could not be written back unchanged: treated as text
        redacted = self._pieces(data, turns)
        return text if redacted is data else redacted.decode("utf-8", "surrogatepass")

    def _is_sensitive(self, key: str, value: object, turns: Iterator[int]) -> bool:
        """Return whether `value` is a secret because of its `key`."""
        data = key.rstrip(" :=").encode("utf-8", "surrogatepass") + b":"
        text = values.alone(value)
        position = 0
        while hit := self._next(data, position):
            if next(turns, None) is None:
                return True
            if hit.lastgroup == "pair" and hit.end() == len(data):
                return text is None or not is_harmless(text, data)
            if hit.lastgroup == "weak" and hit.end() == len(data):
                return text is not None and is_weakly_secret(hit[0], text)
            position = hit.end()
        return False

    def _named_elsewhere(self, source: dict[Any, object], turns: Iterator[int]) -> str | None:
        """Return the name in `{"name": "DB_PASSWORD", "value": …}` if it is sensitive, else None."""
        for key, name in source.items():
            if not values.is_name(key):
                continue
            last: object = name[-1] if type(name) is list and name else name  # validators write a path as a list
            if type(last) is str and self._is_sensitive(last, None, turns):
                return last
        return None

    def _named_in_list(self, source: list[Any] | tuple[Any, ...], turns: Iterator[int]) -> set[int]:
        """Return the indexes of items that the item before names: `["authorization", …]`, `["--token", …]`."""
        named = set()
        for number, (key, value) in enumerate(pairwise(source), start=1):
            if type(key) is not str or type(value) is not str or value.startswith("-") or "=" in key:
                continue
            if (key.startswith("--") or len(source) == 2) and self._is_sensitive(key, value, turns):
                data = key.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass")
                if value and (key.startswith("--") or is_second(*data)):
                    named.add(number)
        return named

    def _next(self, data: bytes, position: int) -> re.Match[bytes] | None:
        found = self._search_pieces(data, position)
        return None if found is None else self._classify(data, found.start())

    def _pieces(self, data: bytes, turns: Iterator[int]) -> bytes:
        kept: list[bytes] = []
        position = copied = unread = 0
        while hit := self._next(data, position):
            if next(turns, None) is None:
                return b"".join([*kept, data[copied : hit.start()], REST_REDACTED])
            kind = hit.lastgroup or ""
            secret = matchers.MATCHERS[kind](data, *hit.span(kind))
            position = hit.end()
            if (
                secret is None
                and kind in ("jwt", "encoded")
                and hit.start(kind) >= unread
                and next(turns, None) is not None
            ):
                unread, text = matchers.decoded(data, hit.start(kind))
                if self._pieces(text, turns) is not text:
                    secret = hit.start(kind), unread
            if secret and secret[0] >= copied:
                kept += data[copied : secret[0]], matchers.REDACTED
                position = copied = secret[1]
        return b"".join([*kept, data[copied:]]) if kept else data

    def _json(self, text: str, turns: Iterator[int]) -> str:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
        redacted = self._walk(value, turns)
        if redacted is value:
            return text
        escape = text.isascii() or "\\u" in text
        separators = None if '": ' in text else (",", ":")
        return json.dumps(redacted, ensure_ascii=escape, separators=separators, allow_nan=False)

    def _walk(self, root: JSON, turns: Iterator[int]) -> JSON:
        """Return a copy with the secrets replaced; `root` itself if there are none. Does not recurse."""
        copies: dict[int, Any] = {}  # by id of the original, so that shared values stay shared and cycles end
        todo: list[tuple[Any, Any]] = []
        changed = False

        def copy(value: Any) -> Any:
            nonlocal changed
            kind = type(value)  # isinstance would load a lazy object
            if issubclass(kind, str):
                new: Any = self._text(value, turns)
            elif kind is int and _MIN_CARD <= value < _MAX_CARD:
                new = REDACTED if self._text(str(value), turns) == REDACTED else value
            elif issubclass(kind, dict | list | tuple):
                if id(value) not in copies:
                    copies[id(value)] = {} if issubclass(kind, dict) else []
                    todo.append((value, copies[id(value)]))
                return copies[id(value)]
            else:
                return value
            changed = changed or new is not value
            return new

        result: JSON = copy(root)
        while todo:
            source, target = todo.pop()
            if isinstance(target, list):
                hidden = values.hide_argument(source)
                if hidden is not None:
                    source = [*source]
                    source[hidden[0]], changed = hidden[1], True
                secret = self._named_in_list(source, turns)
                changed = changed or any(source[number] != REDACTED for number in secret)
                target.extend(REDACTED if number in secret else copy(item) for number, item in enumerate(source))
                continue
            placed = values.parameters_of(source) | values.private_members_of(source)
            named = self._named_elsewhere(source, turns)
            for key, item in source.items():
                name = copy(key)
                if name in target:  # two keys that were secrets, and are equal now
                    name = f"{name} #{len(target)}"
                if not isinstance(key, str) or not values.has_content(item):
                    target[name] = copy(item)
                    continue
                of = named if named is not None and values.is_holder(key) else key
                if key in placed or self._is_sensitive(of, item, turns):
                    changed = changed or type(item) is not str or item != REDACTED
                    target[name] = REDACTED
                else:
                    target[name] = copy(item)
        return result if changed else root


def _without_duplicates(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice, and a dictionary would drop the first")
    return found


def _in_force() -> Redactor:
    try:
        names = conf().REDACT_KEYS
    except ImproperlyConfigured:  # a program logs without Django's settings, or before they are configured
        names = ()
    return _redactor(tuple(names))


@functools.lru_cache(maxsize=8)
def _redactor(more_keys: tuple[str, ...]) -> Redactor:
    return Redactor(more_keys)


@functools.lru_cache(maxsize=1)
def _issued() -> Redactor:
    return Redactor.of_issued()
