"""The query parameters of the log list: what may be asked, and what is wrong with a question.

A parameter that nobody knows is an error, like a bad value: a filter with a typing error in it must not answer
with all records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict

from systemlog.models import Level, SystemLog
from systemlog.problems import InvalidParameters
from systemlog.records.durations import parse_duration
from systemlog.records.fields import MAX_CONTEXT_DEPTH, unstorable
from systemlog.records.levels import parse_level
from systemlog.records.strict_json import Malformed, read_json
from systemlog.records.times import parse_timestamp
from systemlog.search.pages import Search
from systemlog.search.time_walk import START_OF_TIME, just_after
from systemlog.storage.expressions import ContextHolds, HasTerm
from systemlog.storage.lookups import By, Lookup

CONTEXT_PREFIX = "context."
MAX_CONTEXT_DOTS = 5
"""A dot goes deeper or is part of a key; both are looked for, which doubles the ways with each dot."""

MAX_CONTEXT_FILTERS = 5
MAX_TERMS = 20
MAX_TERM_CHARACTERS = 1000
REPEATABLE = {"level", "category"}
SELECTIVE = (By.CORRELATION_ID, By.TRACE_ID, By.SUBJECT, By.USER_ID)
"""The most selective first."""


_lost_plus = re.compile(r" (\d{2}:\d{2})$", re.ASCII)


class LevelsField(forms.MultipleChoiceField):
    """Levels in any case."""

    def to_python(self, value: Any) -> list[str]:
        """Upper case, as they are stored."""
        return [parse_level(level) or level for level in super().to_python(value)]


class LevelField(django_filters.fields.ChoiceField):  # type: ignore[misc]  # the library is untyped
    """One level in any case."""

    def to_python(self, value: Any) -> str:
        """Upper case, as it is stored."""
        text = str(super().to_python(value))
        return parse_level(text) or text


class TextsField(forms.MultipleChoiceField):
    """Any texts, repeated."""

    def valid_value(self, value: str) -> bool:
        """What the database can hold."""
        return unstorable.search(value) is None


class LevelsFilter(django_filters.MultipleChoiceFilter):  # type: ignore[misc]  # the library is untyped
    """`level=ERROR&level=CRITICAL`."""

    field_class = LevelsField


class LevelFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the library is untyped
    """`min_level=WARNING`."""

    field_class = LevelField


class TextsFilter(django_filters.MultipleChoiceFilter):  # type: ignore[misc]  # the library is untyped
    """`category=billing&category=orders`."""

    field_class = TextsField


class SystemLogFilters(django_filters.FilterSet):  # type: ignore[misc]  # the library is untyped
    """The filters on columns. Times, paging and `context.<key>` are read by `read_search`."""

    level = LevelsFilter(
        choices=Level.choices, method="filter_levels", label="Of one of these levels, in any case; repeatable."
    )
    min_level = LevelFilter(
        choices=Level.choices, method="filter_min_level", empty_label=None, label="Of this level or a graver one."
    )
    category = TextsFilter(method="filter_categories", label="Of one of these categories; repeatable.")
    correlation_id = django_filters.CharFilter(strip=False, label="Of one request.")
    user_id = django_filters.CharFilter(strip=False, label="Of one user.")
    trace_id = django_filters.CharFilter(strip=False, label="Of one trace.")
    source = django_filters.CharFilter(strip=False, label="Of one service or host.")
    subject = django_filters.CharFilter(strip=False, label="About one thing: `app_label.model:pk`.")
    q = django_filters.CharFilter(
        method="filter_terms", label="Every term is in the message, as a substring, in any case; at most 20 terms."
    )

    class Meta:
        model = SystemLog
        fields: list[str] = []

    def filter_levels(self, records: QuerySet[SystemLog], name: str, value: list[str]) -> QuerySet[SystemLog]:
        """Of one of these levels."""
        return records.filter(level__in=value)

    def filter_min_level(self, records: QuerySet[SystemLog], name: str, value: str) -> QuerySet[SystemLog]:
        """As grave as this, or graver."""
        return records.filter(level__in=Level.from_severity(value))

    def filter_categories(self, records: QuerySet[SystemLog], name: str, value: list[str]) -> QuerySet[SystemLog]:
        """Of one of these categories."""
        return records.filter(category__in=value)

    def filter_terms(self, records: QuerySet[SystemLog], name: str, value: str) -> QuerySet[SystemLog]:
        """With all of these terms."""
        terms = value.split()
        if len(terms) > MAX_TERMS or any(len(term) > MAX_TERM_CHARACTERS for term in terms):
            limits = f"at most {MAX_TERMS} terms of at most {MAX_TERM_CHARACTERS} characters"
            raise InvalidParameters({name: f"There may be {limits}."})
        return records.filter(*(HasTerm("message", term) for term in terms))


WHAT_IS_WRONG = {
    "level": f"This must be one of {', '.join(Level.values)}.",
    "min_level": f"This must be one of {', '.join(Level.values)}.",
}
EMPTY = "This must not be empty."
NUL = "This has a NUL character or a lone surrogate."
NOT_A_TIME = "This must be a date and time as RFC 3339 has them (2026-11-24T08:30:00Z), or relative (-15m, -7d)."


def read_search(
    query: QueryDict, *, known: set[str], now: datetime, records: QuerySet[SystemLog, Any] | None = None
) -> Search:
    """The search that the parameters ask for, among `records` or all; `known` are those that somebody else reads.

    Raises `InvalidParameters`, which names each parameter that is unknown or has a bad value.
    """
    wrong: dict[str, str] = {}
    filters, fields = _filters()
    for name in query:
        shown = unstorable.sub("\ufffd", name[:100])
        if name not in filters and name not in known and not name.startswith(CONTEXT_PREFIX):
            wrong[shown] = "There is no such parameter."
        elif any(map(unstorable.search, (name, *query.getlist(name)))):
            wrong[shown] = NUL
        elif len(query.getlist(name)) > 1 and name not in REPEATABLE and not name.startswith(CONTEXT_PREFIX):
            wrong[shown] = "This may be given once."
    values: dict[str, Any] = {}
    for name, field in fields.items():
        try:
            values[name] = field.clean(field.widget.value_from_datadict(query, {}, name))
        except forms.ValidationError:
            wrong[name] = WHAT_IS_WRONG.get(name, NUL)
    for name in filters:
        if name != "q" and "" in query.getlist(name):
            # An empty variable in a script must not answer with all records.
            wrong[name] = WHAT_IS_WRONG.get(name, EMPTY)
    since = _read_time(query, "since", now, wrong)
    until = _read_time(query, "until", now, wrong)
    # With a cursor, the bounds that the first page resolved are in force.
    if since and until and since > until and "cursor" not in query:
        wrong["since"] = "This lies after `until`."
    conditions = list(_read_context(query, wrong))
    if wrong:
        raise InvalidParameters(wrong)
    records = SystemLog.objects.all() if records is None else records
    for name, value in values.items():
        if value:
            records = filters[name].filter(records, value)
    selective = next((Lookup(by, values[by]) for by in SELECTIVE if values[by]), None)
    return Search(
        records=records.filter(*conditions) if conditions else records,
        since=since,
        until=until and just_after(until),  # a search excludes its `until`, the parameter does not
        lookup=selective or (_by_index(values) if not conditions else None),
        alone=not conditions and sum(map(bool, values.values())) == 1,
        selective=selective is not None,
        indexed=not conditions and _is_indexed(values),
        rollup=_rollup(values) if not conditions else None,
    )


def read_time(text: str, now: datetime) -> datetime | None:
    """An instant, as RFC 3339 or relative to `now`; None if it is neither. A `+` that became a space is a `+` again."""
    if text.startswith("-"):
        try:
            return now - parse_duration(text[1:])
        except OverflowError:
            return START_OF_TIME
        except ValueError:
            return None
    return parse_timestamp(_lost_plus.sub(r"+\1", text))


@cache
def _filters() -> tuple[Mapping[str, Any], Mapping[str, forms.Field]]:
    """The filters, and the fields that clean their values: a FilterSet copies them all, and its form once more."""
    filters = SystemLogFilters()
    return filters.filters, filters.form.fields


def _is_indexed(values: Mapping[str, Any]) -> bool:
    """Whether an index finds the records by time, by category, or by the gravest levels, and nothing else is asked."""
    grave = _levels(values) <= set(Level.from_severity(Level.ERROR))
    asked = {name for name, value in values.items() if value}
    return asked <= {"level", "min_level", "category"} and (grave or asked <= {"category"})


def _by_index(values: Mapping[str, Any]) -> Lookup | None:
    """How an index finds exactly the records that are asked for, if there is one."""
    asked = {name for name, value in values.items() if value}
    categories = values["category"]
    if not asked <= {"level", "min_level", "category"} or len(categories) > 1:
        return None
    if asked == {"category"}:
        return Lookup(By.CATEGORY, *categories)
    levels = _levels(values)
    if categories:
        return Lookup(By.CRITICAL_OF_CATEGORY, *categories) if levels == {Level.CRITICAL} else None
    grave: dict[frozenset[str], By] = {
        frozenset({Level.ERROR}): By.ERROR,
        frozenset({Level.CRITICAL}): By.CRITICAL,
        frozenset({Level.ERROR, Level.CRITICAL}): By.GRAVE,
    }
    by = grave.get(frozenset(levels))
    return Lookup(by) if by else None


def _levels(values: Mapping[str, Any]) -> set[str]:
    return set(values["level"] or Level.values) & set(Level.from_severity(values["min_level"] or Level.DEBUG))


def _rollup(values: Mapping[str, Any]) -> Q | None:
    """The filter in terms of the roll-up; None if it asks for more than level, category and source."""
    condition = Q()
    for name, value in values.items():
        if not value:
            continue
        if name in ("level", "category"):
            condition &= Q((f"{name}__in", value))
        elif name == "min_level":
            condition &= Q(level__in=Level.from_severity(value))
        elif name == "source":
            condition &= Q(source=value)
        else:
            return None
    return condition


def _read_time(query: QueryDict, name: str, now: datetime, wrong: dict[str, str]) -> datetime | None:
    if name not in query:
        return None
    instant = read_time(query.get(name, ""), now)
    if instant is None:
        wrong[name] = NOT_A_TIME
    return instant


def _read_context(query: QueryDict, wrong: dict[str, str]) -> Iterator[Q]:
    names = [name for name in query if name.startswith(CONTEXT_PREFIX)]
    for name in names:
        path = name.removeprefix(CONTEXT_PREFIX)
        if sum(len(query.getlist(each)) for each in names) > MAX_CONTEXT_FILTERS:
            wrong[name[:100]] = f"There may be at most {MAX_CONTEXT_FILTERS} of these."
        elif not path or path.count(".") > MAX_CONTEXT_DOTS:
            wrong[name[:100]] = f"The key must not be empty, and have at most {MAX_CONTEXT_DOTS} dots."
        elif not any(map(unstorable.search, (path, *query.getlist(name)))):
            for value in query.getlist(name):
                yield _holds(path, value)


def _holds(path: str, text: str) -> Q:
    """Whether the context has the value under the path: as text or as JSON, each dot a step deeper or part of a key."""
    values: list[Any] = [text]
    if "\\u" not in text and text.count("[") + text.count("{") <= MAX_CONTEXT_DEPTH:
        with suppress(Malformed, ValueError):
            parsed = read_json(text)
            json.dumps(parsed, allow_nan=False)  # 1e999 is read as infinity, which JSON cannot say
            values.append(parsed)
    condition = Q()
    for keys in _splits(path):
        for value in values:
            wanted = value
            for key in reversed(keys):
                wanted = {key: wanted}
            condition |= Q(ContextHolds("context", wanted))
    return condition


def _splits(path: str) -> Iterator[list[str]]:
    parts = path.split(".")
    cuts = range(1, len(parts))
    for count in range(len(parts)):
        for chosen in combinations(cuts, count):
            edges = [0, *chosen, len(parts)]
            yield [".".join(parts[low:high]) for low, high in pairwise(edges)]
