"""The query parameters of the log API, and how those of a URL become a `Query`.

An unknown parameter is an error, like a bad value: a search with a mistyped filter must not answer with all records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import QueryDict

from systemlog.models import Level
from systemlog.problems import FieldError, InvalidParameters
from systemlog.records.fields import unstorable
from systemlog.records.levels import parse_level
from systemlog.search.parsing import rules
from systemlog.search.parsing.query import CONTEXT_PREFIX, MESSAGE, Constraint, Query
from systemlog.search.parsing.rules import EXCLUDING, PARAMETERS, TEXTS
from systemlog.search.parsing.typed import Typed, read_typed
from systemlog.search.time_walk import just_after

SHOWN_CHARACTERS = 100
"""An error message repeats at most this much of a parameter's name."""

Errors = dict[str, Any]


def read_query(
    parameters: QueryDict, *, known: Collection[str], now: datetime, repeatable: Collection[str] = ()
) -> Query:
    """Return the query that a URL's parameters ask for.

    `known` names the parameters that the caller reads itself; `since` and `until` are among them wherever they are
    allowed. Those in `repeatable` may be given several times. Relative times are relative to `now`. Raises
    `InvalidParameters`, which names each parameter that is unknown or has a bad value.
    """
    errors: Errors = {}
    _check_names(parameters, known, repeatable, errors)
    _check_values(parameters, errors)
    since = _read_time(parameters, "since", now, errors)
    until = _read_time(parameters, "until", now, errors)
    # With a cursor, the bounds that were resolved for the first page are in force.
    if since and until and since > until and "cursor" not in parameters:
        errors["since"] = rules.AFTER_UNTIL
    context = dict(_read_context(parameters, errors))
    typed = _read_typed(parameters, now, errors)
    if errors:
        raise InvalidParameters(errors)
    terms = tuple(parameters.get("q", "").split())
    if len(terms) > rules.MAX_TERMS or any(len(term) > rules.MAX_TERM_CHARACTERS for term in terms):
        raise InvalidParameters({"q": rules.TOO_MANY_TERMS})
    query = Query(
        levels=tuple(parse_level(text) or text for text in parameters.getlist("level")),
        min_level=parse_level(parameters.get("min_level", "")) or "",
        categories=tuple(parameters.getlist("category")),
        correlation_id=parameters.get("correlation_id", ""),
        user_id=parameters.get("user_id", ""),
        trace_id=parameters.get("trace_id", ""),
        source=parameters.get("source", ""),
        subject=parameters.get("subject", ""),
        group=parameters.get("group", ""),
        terms=(*terms, *typed.any_of.get(MESSAGE, ())),
        context=tuple(
            (name.removeprefix(CONTEXT_PREFIX), value)
            for name, values in context.items()
            if not name.endswith(EXCLUDING)
            for value in values
        ),
        none_of=(*_exclusions(parameters, context), *typed.exclusions()),
        since=max(filter(None, (since, typed.since)), default=None),
        # The parameter includes its instant, a query excludes it.
        until=just_after(min(filter(None, (until, typed.until)))) if until or typed.until else None,
    )
    return _with_typed(query, typed)


def _with_typed(query: Query, typed: Typed) -> Query:
    """Return the query with the constraints of the typed text.

    Those that a parameter can express become the fields of the query from which the plan of a search follows.
    """
    changes: dict[str, Any] = {}
    any_of: list[Constraint] = []
    lists = {"level": "levels", "category": "categories"}
    for each in typed.constraints():
        name = lists.get(each.field, each.field)
        if name in lists.values() and not getattr(query, name):
            changes[name] = each.values
        elif len(each.values) == 1 and name.startswith(CONTEXT_PREFIX):
            paths = changes.get("context", query.context)
            changes["context"] = (*paths, (name.removeprefix(CONTEXT_PREFIX), each.values[0]))
        elif len(each.values) == 1 and getattr(query, name, None) == "":
            changes[name] = each.values[0]
        else:
            any_of.append(each)
    for (minimum,) in filter(None, [typed.any_of.get("min_level")]):
        changes["min_level"] = max(minimum, query.min_level or minimum, key=Level.values.index)
    return replace(query, any_of=tuple(any_of), **changes)


def _check_names(parameters: QueryDict, known: Collection[str], repeatable: Collection[str], errors: Errors) -> None:
    """Find unknown parameters, characters that no database stores, and repeated parameters."""
    for name in parameters:
        shown = unstorable.sub("\ufffd", name[:SHOWN_CHARACTERS])
        values = parameters.getlist(name)
        several = name.startswith(CONTEXT_PREFIX) or _is_exclusion(name) or name in repeatable
        if name not in PARAMETERS and name not in known and not several:
            errors[shown] = "There is no such parameter."
        elif any(map(unstorable.search, (name, *values))):
            errors[shown] = rules.NUL
        elif len(values) > 1 and not several and not (name in PARAMETERS and PARAMETERS[name].repeatable):
            errors[shown] = rules.ONCE
        elif len(values) > rules.MAX_VALUES:
            errors[shown] = rules.TOO_MANY_VALUES


def _check_values(parameters: QueryDict, errors: Errors) -> None:
    """Find values that name no level, and empty values.

    An empty value is an error because an unset variable in a script must not make the search answer with all records.
    Texts are an exception: a search box sends them empty.
    """
    for name in parameters:
        field = name.removesuffix(EXCLUDING) if _is_exclusion(name) else name
        if field in PARAMETERS and field not in TEXTS:
            wrong = [error for value in parameters.getlist(name) if (error := rules.value_error(field, value))]
            if wrong:
                errors[name] = wrong[-1]


def _is_exclusion(name: str) -> bool:
    """Whether the parameter excludes by a column. False for one that excludes by a member of the context."""
    return name.endswith(EXCLUDING) and name.removesuffix(EXCLUDING) in PARAMETERS and rules.excludes(name[:-1])


def _exclusions(parameters: QueryDict, context: dict[str, list[str]]) -> Iterator[Constraint]:
    """Yield what the parameters exclude."""
    for name in parameters:
        if _is_exclusion(name):
            values = parameters.getlist(name)
            yield Constraint(name[:-1], tuple(map(str.upper, values) if name == "level!" else values))
    for name, values in context.items():
        if name.endswith(EXCLUDING):
            yield Constraint(name[:-1], tuple(values))


def _read_time(parameters: QueryDict, name: str, now: datetime, errors: Errors) -> datetime | None:
    if name not in parameters:
        return None
    instant = rules.read_time(parameters.get(name, ""), now)
    if instant is None:
        errors[name] = rules.NOT_A_TIME
    return instant


def _read_context(parameters: QueryDict, errors: Errors) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the values of each `context.<key>` parameter."""
    names = [name for name in parameters if name.startswith(CONTEXT_PREFIX)]
    for name in names:
        if sum(len(parameters.getlist(each)) for each in names) > rules.MAX_CONTEXT_FILTERS:
            errors[name[:SHOWN_CHARACTERS]] = rules.TOO_MANY_PATHS
        elif wrong := rules.path_error(name.removesuffix(EXCLUDING)):
            errors[name[:SHOWN_CHARACTERS]] = wrong
        else:
            yield name, parameters.getlist(name)


def _read_typed(parameters: QueryDict, now: datetime, errors: Errors) -> Typed:
    """Return the filters of the typed text."""
    text = parameters.get("query", "") if "query" not in errors else ""
    # With a cursor, the bounds that were resolved for the first page are in force.
    typed = read_typed(text, now, ordered_times="cursor" not in parameters)
    if typed.mistakes:
        errors["query"] = [
            FieldError(detail, "invalid", parameter="query", column=column, length=length)
            for detail, column, length in typed.mistakes
        ]
    return typed
