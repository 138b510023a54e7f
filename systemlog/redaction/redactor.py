"""Redacting texts and JSON values: one scan decides that nothing is there, only a hit is taken apart."""

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
from systemlog.redaction import spans, values
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

REDACTED = spans.REDACTED.decode()

MOST_HITS = 1000
"""Places of one text or value that are judged one by one. Each takes some 3 µs, so that 64 KiB of nothing but such
places would take 20 ms or more; behind so many of them the rest goes unread."""

REST_REDACTED = b"[redacted: the rest, behind 1000 places that look like secrets]"

_MIN_CARD, _MAX_CARD = 10**13, 10**19


def redact_text(text: str) -> str:
    """`text` with each secret in it replaced by `[redacted]`; `text` itself if there is none."""
    return _in_force().text(text)


def redact_issued(text: str) -> str:
    """`text` with what is a secret by its form alone replaced: issued keys and tokens, JWTs, passwords in URLs.

    For names and ids, such as a record's category and subject, where a key or a number tells nothing.
    """
    return _issued().text(text)


def redact_value(value: JSON) -> JSON:
    """`value` with each secret in it replaced, whole values of sensitive keys too; `value` itself if there is none."""
    return _in_force().value(value)


def has_secret(serialised: bytes) -> bool:
    """Whether JSON text may hold a secret. False means that redacting what it stands for would change nothing."""
    return _in_force().hits(serialised)


def engine() -> Engine:
    """What `has_secret` asks by the settings in force now, for a hot path that asks very often."""
    return _in_force().engine


class Redactor:
    """Finds and replaces secrets. `compile_pattern` chooses the engine: `patterns.compile_re2` or `compile_re`."""

    __slots__ = ("_classify", "_search", "_search_pieces", "engine")

    def __init__(self, more_keys: Iterable[str] = (), compile_pattern: Compile = compile_fastest) -> None:
        more_keys = tuple(more_keys)
        # An escaped letter says that JSON must be read. In a text that is none each would be a hit for nothing.
        pattern = build_pattern(more_keys, escapes=False)
        self._compile(build_search(more_keys), build_search(more_keys, escapes=False), pattern, compile_pattern)

    @classmethod
    def of_issued(cls, compile_pattern: Compile = compile_fastest) -> Redactor:
        """One for `redact_issued`."""
        redactor = cls.__new__(cls)
        pattern = build_issued_pattern()
        search = without_groups(pattern)
        redactor._compile(search, search, pattern, compile_pattern)
        return redactor

    def _compile(self, whole: bytes, pieces: bytes, pattern: bytes, compile_pattern: Compile) -> None:
        self.engine = compile_pattern(whole)
        self._search = self.engine.search
        self._search_pieces = compile_pattern(pieces).search
        # Both engines take the leftmost hit and its first alternative: what RE2 finds here, `re` names there.
        self._classify = re.compile(pattern).match

    def hits(self, data: bytes) -> bool:
        """See `has_secret`."""
        return bool((self.engine.scan if len(data) <= SHORT_BYTES else self._search)(data))

    def text(self, text: str) -> str:
        """See `redact_text`."""
        return self._text(text, iter(range(MOST_HITS)))

    def value(self, value: JSON) -> JSON:
        """See `redact_value`."""
        try:
            if self._search(orjson.dumps(value)) is None:
                return value
        except TypeError:
            pass  # more than orjson takes: it is walked
        return self._walk(value, iter(range(MOST_HITS)))

    def _text(self, text: str, turns: Iterator[int]) -> str:
        """`text` redacted. Each place that is judged takes one of the `turns`, which all texts of a value share."""
        data = text.encode("utf-8", "surrogatepass")
        if self._search(data) is None:
            return text
        if text.lstrip()[:1] in ("{", "["):
            try:
                return self._json(text, turns)
            except (ValueError, RecursionError):
                pass  # no JSON, or none that could be written back as it was: it is read as any text is
        redacted = self._pieces(data, turns)
        return text if redacted is data else redacted.decode("utf-8", "surrogatepass")

    def _is_sensitive(self, key: str, value: object, turns: Iterator[int]) -> bool:
        """Whether `value` is a secret because it is the value of `key`."""
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
        """The name that `{"name": "DB_PASSWORD", "value": …}` gives its value, if it is sensitive."""
        for key, name in source.items():
            if not values.is_name(key):
                continue
            last: object = name[-1] if type(name) is list and name else name  # the place that a validator names
            if type(last) is str and self._is_sensitive(last, None, turns):
                return last
        return None

    def _told_in_list(self, source: list[Any] | tuple[Any, ...], turns: Iterator[int]) -> set[int]:
        """Which items of a list the items before name: `["authorization", …]`, `["--token", …]`."""
        told = set()
        for number, (key, value) in enumerate(pairwise(source), start=1):
            if type(key) is not str or type(value) is not str or value.startswith("-") or "=" in key:
                continue
            if (key.startswith("--") or len(source) == 2) and self._is_sensitive(key, value, turns):
                data = key.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass")
                if value and (key.startswith("--") or is_second(*data)):
                    told.add(number)
        return told

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
            secret = spans.SPANS[kind](data, *hit.span(kind))
            position = hit.end()
            if (
                secret is None
                and kind in ("jwt", "encoded")
                and hit.start(kind) >= unread
                and next(turns, None) is not None
            ):
                unread, text = spans.decoded(data, hit.start(kind))
                if self._pieces(text, turns) is not text:
                    secret = hit.start(kind), unread
            if secret and secret[0] >= copied:
                kept += data[copied : secret[0]], spans.REDACTED
                position = copied = secret[1]
        return b"".join([*kept, data[copied:]]) if kept else data

    def _json(self, text: str, turns: Iterator[int]) -> str:
        value = json.loads(text, object_pairs_hook=_without_twins)
        redacted = self._walk(value, turns)
        if redacted is value:
            return text
        escape = text.isascii() or "\\u" in text
        separators = None if '": ' in text else (",", ":")
        return json.dumps(redacted, ensure_ascii=escape, separators=separators, allow_nan=False)

    def _walk(self, root: JSON, turns: Iterator[int]) -> JSON:
        """A copy with the secrets replaced, made without recursion; `root` itself if nothing was."""
        copies: dict[int, Any] = {}  # by id of the original: what is shared stays shared, and a cycle ends
        todo: list[tuple[Any, Any]] = []
        changed = False

        def copy(value: Any) -> Any:
            nonlocal changed
            kind = type(value)  # isinstance would have a lazy object loaded
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
                told = self._told_in_list(source, turns)
                changed = changed or any(source[number] != REDACTED for number in told)
                target.extend(REDACTED if number in told else copy(item) for number, item in enumerate(source))
                continue
            placed = values.parameters_of(source)
            named = self._named_elsewhere(source, turns)
            for key, item in source.items():
                name = copy(key)
                if name in target:  # two keys that were secrets themselves
                    name = f"{name} #{len(target)}"
                if not isinstance(key, str) or not values.tells(item):
                    target[name] = copy(item)
                    continue
                of = named if named is not None and values.is_holder(key) else key
                if key in placed or self._is_sensitive(of, item, turns):
                    changed = changed or type(item) is not str or item != REDACTED
                    target[name] = REDACTED
                else:
                    target[name] = copy(item)
        return result if changed else root


def _without_twins(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice, and a dictionary would drop the first")
    return found


def _in_force() -> Redactor:
    try:
        names = conf().REDACT_KEYS
    except ImproperlyConfigured:  # logging before, or without, Django's settings
        names = ()
    return _redactor(tuple(names))


@functools.lru_cache(maxsize=8)
def _redactor(more_keys: tuple[str, ...]) -> Redactor:
    return Redactor(more_keys)


@functools.lru_cache(maxsize=1)
def _issued() -> Redactor:
    return Redactor.of_issued()
