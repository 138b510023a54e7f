"""What narrows the list of records: its parameters as menus, fields and links. No database, no request.

The parameters are the API's, so that a question asked there can be looked at here; but those that a form sends
empty ask for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.http import QueryDict

from systemlog.models import Level, SystemLog
from systemlog.search.parameters import CONTEXT_PREFIX, PARAMETERS

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
    "since": "Since",
    "until": "Until",
}
"""The parameters that are typed, and their labels; the search box has `q`."""

LABELS = {"q": "Message has", "level": "Level", "min_level": "Level at least", **FIELDS}
RELATED = ["correlation_id", "trace_id", "user_id", "subject", "category", "source"]


class Choice(NamedTuple):
    """A link that changes the question, and whether it is what is asked now."""

    label: str
    link: str
    chosen: bool = False


class Menu(NamedTuple):
    """The choices that one parameter has."""

    title: str
    choices: list[Choice]


class Field(NamedTuple):
    """A parameter with a value of its own."""

    name: str
    label: str
    value: str


class Related(NamedTuple):
    """What a record has in common with others, and the link to all of them."""

    label: str
    value: str
    link: str


def given(query: QueryDict) -> QueryDict:
    """The parameters that have a value."""
    return _copy((name, value) for name, value in _pairs(query) if value)


def known(query: QueryDict) -> QueryDict:
    """The parameters that narrow the list, for the links and fields of the page; a typing error is not carried on."""
    names = {*PARAMETERS, *FIELDS}
    return _copy((name, value) for name, value in _pairs(query) if name in names or name.startswith(CONTEXT_PREFIX))


def link(query: QueryDict, **changes: str | None) -> str:
    """The list with these parameters changed, or (None) left out; at its newest record unless a `cursor` is given."""
    changed = query.copy()
    for name, value in {"cursor": None, **changes}.items():
        changed.pop(name, None)
        if value is not None:
            changed[name] = value
    return f"?{changed.urlencode()}"


def menus(query: QueryDict) -> list[Menu]:
    """Levels and times, to be chosen with one click."""
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
    """What can be typed: a field for each value, so that a parameter that is there twice stays so."""
    return [Field(name, label, value) for name, label in FIELDS.items() for value in (query.getlist(name) or [""])]


def kept(query: QueryDict) -> list[Field]:
    """What the form does not show, and sends along."""
    return [Field(name, "", value) for name, value in _pairs(query) if name not in FIELDS and name != "q"]


def conditions(query: QueryDict) -> list[Choice]:
    """What is asked now, each with the link that asks it no more."""
    return [Choice(f"{LABELS.get(name, name)}: {value}", _without(query, name, value)) for name, value in _pairs(query)]


def related(record: SystemLog, path: str) -> list[Related]:
    """What the record shares with others, each with the link to all of them in the list at `path`."""
    values = {name: getattr(record, name) for name in RELATED}
    return [
        Related(FIELDS[name], value, path + link(_copy([(name, value)]))) for name, value in values.items() if value
    ]


def _without(query: QueryDict, name: str, value: str) -> str:
    return link(_copy(pair for pair in _pairs(query) if pair != (name, value)))


def _pairs(query: QueryDict) -> list[tuple[str, str]]:
    return [(name, value) for name in query for value in query.getlist(name)]


def _copy(pairs: Iterable[tuple[str, str]]) -> QueryDict:
    copy = QueryDict(mutable=True)
    for name, value in pairs:
        copy.appendlist(name, value)
    return copy
