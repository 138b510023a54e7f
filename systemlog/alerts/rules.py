"""Alert rules: which records a rule watches, and the condition (too many of them, or none) under which it fires.

A rule is data. `make_rule` makes a rule from an entry of the settings, and raises `Mistake` for an entry that cannot be
used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import QueryDict

from systemlog.alerts.fields import (
    SECOND_US,
    Mistake,
    check_keys,
    nearest,
    read_labels,
    read_number,
    read_span,
    read_text,
    shown,
)
from systemlog.problems import InvalidParameters
from systemlog.records.levels import LEVEL_NAMES, parse_level
from systemlog.search.parsing.parameters import read_query
from systemlog.search.parsing.query import CONTEXT_PREFIX, Query
from systemlog.search.parsing.rules import EXCLUDING, PARAMETERS

MAX_THRESHOLD = 10_000
"""The largest number that a rule counts to. One statement reads the times of at most twice as many records."""

MAX_WINDOW = timedelta(days=7)
MAX_BEFORE = timedelta(days=366)
MAX_TIMES = 1_000_000
DEFAULT_KEEP_FIRING = "60s"

CONDITION_KEYS = {
    "more_than": ("more_than", "within"),
    "none_for": ("none_for",),
    "times": ("times", "as_before", "within", "at_least"),
    "new_group": ("new_group",),
}
"""The key that identifies a condition, and all keys of that condition."""

COMMON_KEYS = ("name", "for", "keep_firing", "labels", "to")
GROUP_COMMON_KEYS = ("name", "keep_firing", "labels", "to")
"""The keys that a rule about new groups can have. It has no `for`, because an event does not last."""

GROUP_FILTER_KEYS = ("min_level", "level", "level!", "category", "category!", "source", "source!", "query")
GROUP_FIELDS = {"level", "category", "source"}
"""The filters of a rule about new groups, and the fields that its `query` can name."""

GROUP_LEVELS = {"ERROR", "CRITICAL"}
FILTER_KEYS = (*PARAMETERS, *(f"{name}{EXCLUDING}" for name, each in PARAMETERS.items() if each.excludes))


@dataclass(frozen=True, slots=True)
class MoreThan:
    """More than `number` records in any window of `within_us`, by the records' own times."""

    number: int
    within_us: int


@dataclass(frozen=True, slots=True)
class NoneFor:
    """No record for `span_us`, after there was one."""

    span_us: int


@dataclass(frozen=True, slots=True)
class TimesAsMany:
    """More than `times` as many records in `within_us` as `before_us` earlier, and at least `at_least` records."""

    times: float
    before_us: int
    within_us: int
    at_least: int


@dataclass(frozen=True, slots=True)
class NewGroup:
    """An error group is new, or has come back after it was resolved."""


Condition = MoreThan | NoneFor | TimesAsMany | NewGroup


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its condition, the records that it watches, and the names of its receivers."""

    name: str
    condition: Condition
    query: Query
    parameters: tuple[tuple[str, str], ...]
    """The filters as query parameters of the API, for links."""
    for_us: int = 0
    keep_firing_us: int = 60 * SECOND_US
    labels: dict[str, str] = field(default_factory=dict)
    to: tuple[str, ...] = ()

    @property
    def window_us(self) -> int:
        """The window: the records of this long before an instant decide whether the condition holds at that instant."""
        match self.condition:
            case NoneFor(span_us=span_us):
                return span_us
            case NewGroup():
                return 0
            case MoreThan(within_us=within_us) | TimesAsMany(within_us=within_us):
                return within_us

    @property
    def counts(self) -> bool:
        """Whether the rule counts records, as opposed to a rule about absence or about error groups."""
        return isinstance(self.condition, MoreThan | TimesAsMany)

    @property
    def threshold(self) -> int:
        """The count that must be exceeded, or for a rule about absence the seconds without a record."""
        match self.condition:
            case MoreThan(number=number):
                return number
            case NoneFor(span_us=span_us):
                return span_us // SECOND_US
            case TimesAsMany(at_least=at_least):
                return at_least - 1
            case NewGroup():
                return 0


def make_rule(given: Mapping[str, Any], receivers: Iterable[str]) -> Rule:
    """Return the rule made from an entry. `receivers` are the names that `to` can have. Raises `Mistake`."""
    kind = _kind(given)
    filters = {key: value for key, value in given.items() if key in FILTER_KEYS or str(key).startswith(CONTEXT_PREFIX)}
    if kind == "new_group":
        check_keys(given, (*CONDITION_KEYS[kind], *GROUP_COMMON_KEYS, *GROUP_FILTER_KEYS))
    check_keys(
        {key: value for key, value in given.items() if key not in filters},
        (*COMMON_KEYS, *CONDITION_KEYS[kind], *FILTER_KEYS),
    )
    parameters = tuple(_parameters(filters))
    query = _read_filters(parameters)
    if kind == "new_group":
        _check_group_filters(query, filters)
    return Rule(
        name=read_text(given, "name"),
        condition=_condition(kind, given),
        query=query,
        parameters=parameters,
        for_us=read_span(given, "for", "0s", least_us=0, most=MAX_WINDOW),
        keep_firing_us=read_span(given, "keep_firing", DEFAULT_KEEP_FIRING, least_us=0, most=MAX_WINDOW),
        labels=read_labels(given),
        to=_read_to(given, list(receivers)),
    )


def _kind(given: Mapping[str, Any]) -> str:
    kinds = [kind for kind in CONDITION_KEYS if kind in given]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise Mistake(kinds[1], f"stands beside {kinds[0]!r}", "A rule has one condition: make two rules.")
    every = [key for keys in CONDITION_KEYS.values() for key in keys]
    check_keys(
        {key: None for key in given if not str(key).startswith(CONTEXT_PREFIX)}, (*COMMON_KEYS, *FILTER_KEYS, *every)
    )
    raise Mistake("more_than", "is missing", f"A rule has one of {', '.join(map(repr, CONDITION_KEYS))}.")


def _condition(kind: str, given: Mapping[str, Any]) -> Condition:
    for key in CONDITION_KEYS[kind]:
        if key not in given:
            raise Mistake(key, "is missing", f"A rule with {kind!r} has {', '.join(map(repr, CONDITION_KEYS[kind]))}.")
    match kind:
        case "more_than":
            return MoreThan(read_number(given, "more_than", 0, MAX_THRESHOLD), _read_window(given, "within"))
        case "none_for":
            return NoneFor(_read_window(given, "none_for"))
        case "new_group":
            if given["new_group"] is not True:
                raise Mistake("new_group", f"is {shown(given['new_group'])}", "It must be true.")
            return NewGroup()
    times = given["times"]
    if isinstance(times, bool) or not isinstance(times, int | float) or not 0 < times <= MAX_TIMES:
        raise Mistake("times", f"is {shown(times)}", f"It must be a number above 0, and {MAX_TIMES} at most.")
    if not math.isfinite(times):
        raise Mistake("times", f"is {shown(times)}", "It must be a finite number.")
    within_us = _read_window(given, "within")
    before_us = read_span(given, "as_before", "", least_us=SECOND_US, most=MAX_BEFORE)
    if before_us < within_us:
        raise Mistake("as_before", "is shorter than 'within'", "Compare with a window that lies before this one.")
    return TimesAsMany(float(times), before_us, within_us, read_number(given, "at_least", 1, MAX_THRESHOLD))


def _check_group_filters(query: Query, filters: Mapping[str, Any]) -> None:
    fields = {"levels", "min_level", "categories", "source", "any_of", "none_of"}
    if query.filters - fields or any(each.field not in GROUP_FIELDS for each in query.constraints):
        raise Mistake("query", "names what is not known of a group", "Name level, category and source alone.")
    if not query.allowed_levels & GROUP_LEVELS:
        key = "level" if "level" in filters else "query"
        raise Mistake(key, "leaves out every error group", "Groups are of the levels ERROR and CRITICAL.")


def _read_window(given: Mapping[str, Any], key: str) -> int:
    return read_span(given, key, "", least_us=SECOND_US, most=MAX_WINDOW)


def _read_to(given: Mapping[str, Any], receivers: list[str]) -> tuple[str, ...]:
    to = given.get("to", [])
    if not isinstance(to, list | tuple):
        raise Mistake("to", f"is {shown(to)}", "It must be a list of names of receivers.")
    for name in to:
        if name not in receivers:
            raise Mistake("to", f"names the receiver {shown(name)}, which there is not", nearest(name, receivers))
    return tuple(dict.fromkeys(to))


def _parameters(filters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in filters.items():
        parameter = PARAMETERS.get(str(key).removesuffix(EXCLUDING))
        repeatable = parameter is None or parameter.repeatable or str(key).endswith(EXCLUDING)
        values = value if repeatable and isinstance(value, list | tuple) else [value]
        if not values:
            raise Mistake(key, "is empty", "Leave it out, or name a value.")
        for one in values:
            if not isinstance(one, str) or not one.strip():
                raise Mistake(key, f"is {shown(one)}", "It must be a text" + (" or a list." if repeatable else "."))
            if parameter is not None and parameter.takes_level and parse_level(one) is None:
                raise Mistake(key, f"is {shown(one)}, which is no level", nearest(one.upper(), LEVEL_NAMES))
            yield key, one


def _read_filters(parameters: Sequence[tuple[str, str]]) -> Query:
    given = QueryDict(mutable=True)
    for key, value in parameters:
        given.appendlist(key, value)
    try:
        query = read_query(given, known=set(), now=datetime.now(UTC))
    except InvalidParameters as error:
        first = error.errors[0]
        raise Mistake(first.parameter or "", "cannot be used", first.detail) from None
    if not query.allowed_levels:
        levels = [key for key, _ in parameters if key.startswith(("level", "min_level"))]
        raise Mistake(levels[-1] if levels else "query", "leaves no level", "Name a level that all filters accept.")
    if query.since or query.until:
        raise Mistake("query", "has bounds of time", "Leave them out: the condition of the rule sets the time.")
    return query
