"""The query parameters of the log API: a table of the filters, and how a URL's parameters become a `Query`.

An unknown parameter is an error, like a bad value: a search with a mistyped filter must not answer with all records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict

from systemlog.models import Level
from systemlog.problems import InvalidParameters
from systemlog.records.durations import parse_duration
from systemlog.records.fields import unstorable
from systemlog.records.levels import parse_level
from systemlog.records.times import parse_timestamp
from systemlog.search.parsing.query import Query
from systemlog.search.time_walk import just_after
from systemlog.storage.calendar import BEGINNING

CONTEXT_PREFIX = "context."
MAX_CONTEXT_DOTS = 5
"""Each dot doubles the number of paths to look for, because it goes a level deeper or is part of a key."""

MAX_CONTEXT_FILTERS = 5
MAX_TERMS = 20
MAX_TERM_CHARACTERS = 1000
SHOWN_CHARACTERS = 100
"""An error message repeats at most this much of a parameter's name."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that filters on a column. `takes_level` is true where its values are names of levels."""

    description: str
    repeatable: bool = False
    takes_level: bool = False


PARAMETERS = {
    "level": Parameter("Of one of these levels, in any case; repeatable.", repeatable=True, takes_level=True),
    "min_level": Parameter("Of this level or a graver one.", takes_level=True),
    "category": Parameter("Of one of these categories; `audit.*` is all that begin so; repeatable.", repeatable=True),
    "correlation_id": Parameter("Of one request."),
    "user_id": Parameter("Of one user."),
    "trace_id": Parameter("Of one trace."),
    "source": Parameter("Of one service or host."),
    "subject": Parameter("About one thing: `app_label.model:pk`."),
    "q": Parameter("Every term is in the message, as a substring, in any case; at most 20 terms."),
}
"""The filters by their names; errors and the OpenAPI document list them in this order."""

NOT_A_LEVEL = f"This must be one of {', '.join(Level.values)}."
EMPTY = "This must not be empty."
NUL = "This has a NUL character or a lone surrogate."
NOT_A_TIME = "This must be a date and time as RFC 3339 has them (2026-11-24T08:30:00Z), or relative (-15m, -7d)."
TOO_MANY_TERMS = f"There may be at most {MAX_TERMS} terms of at most {MAX_TERM_CHARACTERS} characters."

_lost_plus = re.compile(r" (\d{2}:\d{2})$", re.ASCII)


def read_query(parameters: QueryDict, *, known: set[str], now: datetime) -> Query:
    """Return the query that a URL's parameters ask for.

    `known` names the parameters that the caller reads itself; `since` and `until` are among them wherever they are
    allowed. Relative times are relative to `now`. Raises `InvalidParameters`, which names each parameter that is
    unknown or has a bad value.
    """
    errors: dict[str, str] = {}
    _check_names(parameters, known, errors)
    _check_values(parameters, errors)
    since = _read_time(parameters, "since", now, errors)
    until = _read_time(parameters, "until", now, errors)
    # With a cursor, the bounds that were resolved for the first page are in force.
    if since and until and since > until and "cursor" not in parameters:
        errors["since"] = "This lies after `until`."
    context = tuple(_read_context(parameters, errors))
    if errors:
        raise InvalidParameters(errors)
    terms = tuple(parameters.get("q", "").split())
    if len(terms) > MAX_TERMS or any(len(term) > MAX_TERM_CHARACTERS for term in terms):
        raise InvalidParameters({"q": TOO_MANY_TERMS})
    return Query(
        levels=tuple(parse_level(text) or text for text in parameters.getlist("level")),
        min_level=parse_level(parameters.get("min_level", "")) or "",
        categories=tuple(parameters.getlist("category")),
        correlation_id=parameters.get("correlation_id", ""),
        user_id=parameters.get("user_id", ""),
        trace_id=parameters.get("trace_id", ""),
        source=parameters.get("source", ""),
        subject=parameters.get("subject", ""),
        terms=terms,
        context=context,
        since=since,
        until=until and just_after(until),  # the parameter includes its instant, a query excludes it
    )


def read_time(text: str, now: datetime) -> datetime | None:
    """Return the instant that a text names, as RFC 3339 or relative to `now`; None if it names none.

    A space before the offset is read as the `+` that a client did not escape in its URL.
    """
    if text.startswith("-"):
        try:
            return now - parse_duration(text[1:])
        except OverflowError:
            return BEGINNING
        except ValueError:
            return None
    return parse_timestamp(_lost_plus.sub(r"+\1", text))


def _check_names(parameters: QueryDict, known: set[str], errors: dict[str, str]) -> None:
    """Find unknown parameters, characters that no database stores, and repeated parameters."""
    for name in parameters:
        shown = unstorable.sub("\ufffd", name[:SHOWN_CHARACTERS])
        values = parameters.getlist(name)
        in_context = name.startswith(CONTEXT_PREFIX)
        if name not in PARAMETERS and name not in known and not in_context:
            errors[shown] = "There is no such parameter."
        elif any(map(unstorable.search, (name, *values))):
            errors[shown] = NUL
        elif len(values) > 1 and not in_context and not (name in PARAMETERS and PARAMETERS[name].repeatable):
            errors[shown] = "This may be given once."


def _check_values(parameters: QueryDict, errors: dict[str, str]) -> None:
    """Find values that name no level, and empty values.

    An empty value is an error because an unset variable in a script must not make the search answer with all records.
    `q` is an exception: a search box sends it empty.
    """
    for name, parameter in PARAMETERS.items():
        values = parameters.getlist(name)
        # Of a parameter that is given twice although it may be given once, the last value counts.
        checked = values if parameter.repeatable else values[-1:]
        if parameter.takes_level and any(parse_level(value) is None for value in checked):
            errors[name] = NOT_A_LEVEL
    for name, parameter in PARAMETERS.items():
        if name != "q" and "" in parameters.getlist(name):
            errors[name] = NOT_A_LEVEL if parameter.takes_level else EMPTY


def _read_time(parameters: QueryDict, name: str, now: datetime, errors: dict[str, str]) -> datetime | None:
    if name not in parameters:
        return None
    instant = read_time(parameters.get(name, ""), now)
    if instant is None:
        errors[name] = NOT_A_TIME
    return instant


def _read_context(parameters: QueryDict, errors: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the path and the value of each `context.<key>` parameter."""
    names = [name for name in parameters if name.startswith(CONTEXT_PREFIX)]
    for name in names:
        path = name.removeprefix(CONTEXT_PREFIX)
        if sum(len(parameters.getlist(each)) for each in names) > MAX_CONTEXT_FILTERS:
            errors[name[:SHOWN_CHARACTERS]] = f"There may be at most {MAX_CONTEXT_FILTERS} of these."
        elif not path or path.count(".") > MAX_CONTEXT_DOTS:
            errors[name[:SHOWN_CHARACTERS]] = f"The key must not be empty, and have at most {MAX_CONTEXT_DOTS} dots."
        else:
            yield from ((path, value) for value in parameters.getlist(name))
