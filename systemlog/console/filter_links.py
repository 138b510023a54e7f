"""The filters of the list of records as menus, fields and links. This module reads no database and no request.

The parameters have the same names as in the API, so a query string of the API also works for the list. Unlike the API,
the list ignores empty parameters, because a form sends every field.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.http import QueryDict

from systemlog.models import Level, SystemLog
from systemlog.search.parsing.query import CONTEXT_PREFIX
from systemlog.search.parsing.rules import EXCLUDING, PARAMETERS, excludes

TIMES = {
    "-15m": "Last 15 minutes",
    "-1h": "Last hour",
    "-1d": "Last day",
    "-7d": "Last week",
    "-30d": "Last 30 days",
}
FIELDS = {
    "category": "Category",
    "source": "Source",
    "correlation_id": "Correlation id",
    "trace_id": "Trace id",
    "user_id": "User",
    "subject": "Subject",
    "group": "Error group",
    "since": "Since",
    "until": "Until",
}
"""The parameters that have a text field, with their labels. `q` has the search box."""

LABELS = {"q": "Message has", "level": "Level", "min_level": "Level at least", **FIELDS}
EXCLUDABLE = {"level", "category", "source", "user_id", "subject", "group"}
RELATED = ["correlation_id", "trace_id", "user_id", "subject", "group", "category", "source"]


class Choice(NamedTuple):
    """A link that changes the filters. `chosen` says whether the list is filtered this way now."""

    label: str
    link: str
    chosen: bool = False


class Menu(NamedTuple):
    """The choices of one parameter."""

    title: str
    choices: list[Choice]


class Field(NamedTuple):
    """A form field with the value of a parameter."""

    name: str
    label: str
    value: str


class Related(NamedTuple):
    """A value of a record, with the link to all records that have the same value."""

    label: str
    value: str
    link: str
    without: str | None
    """The link to all records with another value, or None if no parameter excludes the value."""


def without_empty(query: QueryDict) -> QueryDict:
    """Return the parameters that have a value."""
    return _copy((name, value) for name, value in _pairs(query) if value)


def known_parameters(query: QueryDict) -> QueryDict:
    """Return only the parameters that filter the list, so that links and fields do not repeat a mistyped name."""
    names = {*PARAMETERS, *FIELDS, *(name + EXCLUDING for name in PARAMETERS if excludes(name))}
    return _copy((name, value) for name, value in _pairs(query) if name in names or name.startswith(CONTEXT_PREFIX))


def link(query: QueryDict, **changes: str | None) -> str:
    """Return the link to the list with some parameters changed. A parameter with the value None is removed.

    Unless a `cursor` is given, the link leads to the newest record.
    """
    changed = query.copy()
    for name, value in {"cursor": None, **changes}.items():
        changed.pop(name, None)
        if value is not None:
            changed[name] = value
    return f"?{changed.urlencode()}"


def menus(query: QueryDict) -> list[Menu]:
    """Return the menus of levels and times."""
    levels = {level.upper() for level in query.getlist("level")}
    at_least = query.get("min_level", "").upper()
    since, until = query.get("since"), query.get("until")
    return [
        Menu(
            "level",
            [
                Choice("All", link(query, level=None), not levels),
                *(Choice(level.label, link(query, level=level), level in levels) for level in Level),
            ],
        ),
        Menu(
            "minimum level",
            [
                Choice("Any", link(query, min_level=None), not at_least),
                *(Choice(level.label, link(query, min_level=level), level == at_least) for level in Level),
            ],
        ),
        Menu(
            "time",
            [
                Choice("Any time", link(query, since=None, until=None), not since and not until),
                *(
                    Choice(label, link(query, since=time, until=None), time == since and not until)
                    for time, label in TIMES.items()
                ),
            ],
        ),
    ]


def fields(query: QueryDict) -> list[Field]:
    """Return the text fields: one for each value, so that a repeated parameter stays repeated."""
    return [Field(name, label, value) for name, label in FIELDS.items() for value in (query.getlist(name) or [""])]


def hidden_fields(query: QueryDict) -> list[Field]:
    """Return the parameters that the form sends without showing them."""
    return [Field(name, "", value) for name, value in _pairs(query) if name not in FIELDS and name != "q"]


def active_filters(query: QueryDict) -> list[Choice]:
    """Return the filters that are set, each with the link that removes it."""
    return [Choice(f"{LABELS.get(name, name)}: {value}", _without(query, name, value)) for name, value in _pairs(query)]


def related(record: SystemLog, path: str) -> list[Related]:
    """Return the values that other records may share, each with its link. `path` is the URL path of the list."""
    values = {name: getattr(record, name) for name in RELATED}
    return [
        Related(FIELDS[name], value, only(name, value, path), without(name, value, path))
        for name, value in values.items()
        if value
    ]


def only(name: str, value: str, path: str) -> str:
    """Return the link to the records with this value."""
    return path + link(_copy([(name, value)]))


def without(name: str, value: str, path: str) -> str | None:
    """Return the link to the records with another value, or None if no parameter excludes the value."""
    return only(f"{name}!", value, path) if name in EXCLUDABLE else None


def _without(query: QueryDict, name: str, value: str) -> str:
    return link(_copy(pair for pair in _pairs(query) if pair != (name, value)))


def _pairs(query: QueryDict) -> list[tuple[str, str]]:
    return [(name, value) for name in query for value in query.getlist(name)]


def _copy(pairs: Iterable[tuple[str, str]]) -> QueryDict:
    copy = QueryDict(mutable=True)
    for name, value in pairs:
        copy.appendlist(name, value)
    return copy
