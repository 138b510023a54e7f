"""The keys in the contexts of the newest records of a search, with their frequencies and most frequent values."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from systemlog.models import SystemLog
from systemlog.records.context_json import ContextDecoder
from systemlog.search.pages import find_page
from systemlog.search.parsing.query import Query
from systemlog.search.parsing.rules import MAX_CONTEXT_DOTS
from systemlog.search.plan import make_plan
from systemlog.search.position import Position
from systemlog.search.rows import Shape
from systemlog.storage.expressions import IdText, TimeText

MAX_FIELDS = 100
MAX_VALUES = 10
MAX_VALUE_CHARACTERS = 200
"""Longer values, such as a traceback, are counted, but not listed."""

MAX_KEY_CHARACTERS = 200
MAX_KEYS_OF_RECORD = 200
MAX_KNOWN = 20_000
"""The most keys, and the most pairs of key and value, that are counted. Further ones are left out."""


@dataclass(frozen=True, slots=True)
class ContextField:
    """A key, with a dot before each deeper level; how many records have it; its values, the most frequent first."""

    path: str
    count: int
    values: list[tuple[str, int]]
    other: int


@dataclass(frozen=True, slots=True)
class ContextFields:
    """The most frequent keys of the contexts of `sampled` records.

    Where the budget was spent, `searched_until` says how far back the search came.
    """

    sampled: int
    fields: list[ContextField]
    searched_until: datetime | None


def count_context_fields(query: Query, *, sample: int) -> ContextFields:
    """Count the keys and values of the newest `sample` records that a query finds."""
    page = find_page(make_plan(query, CONTEXTS), limit=sample)
    keys: Counter[str] = Counter()
    values: Counter[tuple[str, str]] = Counter()
    for *_, text in page.items:
        for path, value in _members(text):
            if path in keys or len(keys) < MAX_KNOWN:
                keys[path] += 1
                if value is not None and ((path, value) in values or len(values) < MAX_KNOWN):
                    values[path, value] += 1
    frequent = sorted(keys.items(), key=lambda each: (-each[1], each[0]))[:MAX_FIELDS]
    shown: dict[str, list[tuple[str, int]]] = {path: [] for path, _ in frequent}
    for (path, value), count in sorted(values.items(), key=lambda each: (-each[1], each[0])):
        if path in shown and len(shown[path]) < MAX_VALUES:
            shown[path].append((value, count))
    fields = [
        ContextField(path, count, shown[path], count - sum(number for _, number in shown[path]))
        for path, count in frequent
    ]
    return ContextFields(len(page.items), fields, page.searched_until)


def _members(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the paths of a context, each once, and the value as the filter `context.<path>` takes it.

    The value is None where it is too long. Members that no filter can name are left out.
    """
    found: dict[str, str | None] = {}
    pending: list[tuple[str, Any]] = [("", ContextDecoder().decode(text))]
    while pending and len(found) < MAX_KEYS_OF_RECORD:
        prefix, value = pending.pop()
        if isinstance(value, dict) and value and prefix.count(".") <= MAX_CONTEXT_DOTS:
            pending += [(f"{prefix}{key}.", member) for key, member in reversed(value.items())]
        elif prefix and _is_path(path := prefix[:-1]):
            found.setdefault(path, _as_filter(value))
    yield from found.items()


def _is_path(path: str) -> bool:
    return bool(path) and len(path) <= MAX_KEY_CHARACTERS and path.count(".") <= MAX_CONTEXT_DOTS


def _as_filter(value: Any) -> str | None:
    if not isinstance(value, str):
        try:
            value = orjson.dumps(value).decode()
        except TypeError:  # an integer of more than 64 bits
            return None
    return value if len(value) <= MAX_VALUE_CHARACTERS else None


@cache
def _contexts() -> QuerySet[SystemLog, Any]:
    texts = {"id_text": IdText("id"), "time_text": TimeText("timestamp"), "context_text": Cast("context", TextField())}
    columns = ["time_text", "id_text", "context_text"]
    return SystemLog.objects.annotate(**texts).values_list(*columns)


def _position(row: Any) -> Position:
    return Position(datetime.fromisoformat(row[0]), uuid.UUID(row[1]))


CONTEXTS = Shape(_contexts, _position, lambda row: len(row[2]), plain=True)
