"""The filters of a query as conditions for the database: on the records, and on the roll-up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, pairwise
from operator import or_
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery

from systemlog.fingerprints.records import OTHER
from systemlog.models import Group, Level
from systemlog.records.fields import MAX_CONTEXT_DEPTH
from systemlog.records.strict_json import Malformed, read_json
from systemlog.search.parsing.query import CONTEXT_PREFIX, MESSAGE, Constraint, Query
from systemlog.storage.expressions import BeginsWith, ContextHolds, HasTerm

EQUAL = ("correlation_id", "user_id", "trace_id", "source", "subject")
"""The filters that compare a column of the same name with one value."""


@dataclass(frozen=True, slots=True)
class RollupFilter:
    """The filters of a query as a condition on the roll-up.

    `names_values` is true if the condition names categories or sources. The roll-up counts rare categories and sources
    together, so it cannot answer such a condition for every hour.
    """

    condition: Q
    names_values: bool


def record_conditions(query: Query) -> list[Any]:
    """Return the conditions on `SystemLog`, all of which a record must meet."""
    conditions: list[Any] = []
    if query.levels:
        conditions.append(Q(level__in=query.levels))
    if query.min_level:
        conditions.append(Q(level__in=Level.from_severity(query.min_level)))
    if query.categories:
        conditions.append(_category_condition(query.categories))
    conditions += [Q((name, getattr(query, name))) for name in EQUAL if getattr(query, name)]
    if query.group:
        conditions.append(_group_condition([query.group]))
    conditions += [HasTerm("message", term) for term in query.terms]
    conditions += [_context_condition(path, text) for path, text in query.context]
    conditions += [_condition(each) for each in query.any_of]
    conditions += [~_condition(each) for each in query.none_of]
    return conditions


def rollup_filter(query: Query) -> RollupFilter | None:
    """Return the same filters for the roll-up, or None if they ask for more than level, category and source."""
    if not query.filters <= {"levels", "min_level", "categories", "source", "any_of", "none_of"}:
        return None
    constrained = {each.field for each in query.constraints}
    if not constrained <= {"level", "category", "source"}:
        return None
    condition = Q()
    if query.levels:
        condition &= Q(level__in=query.levels)
    if query.min_level:
        condition &= Q(level__in=Level.from_severity(query.min_level))
    if query.categories:
        condition &= _category_condition(query.categories)
    if query.source:
        condition &= Q(source=query.source)
    for each in query.any_of:
        condition &= _condition(each)
    for each in query.none_of:
        condition &= ~_condition(each)
    return RollupFilter(condition, bool(query.categories or query.source or constrained & {"category", "source"}))


def _condition(constraint: Constraint) -> Q:
    """Return the condition that a record has one of the values. Its negation is true of a record that has no value."""
    field, values = constraint.field, constraint.values
    if field == "category":
        return _category_condition(values)
    if field == "group":
        return _group_condition(values)
    if field == MESSAGE:
        return _any_of(Q(HasTerm("message", value)) for value in values)
    if field.startswith(CONTEXT_PREFIX):
        return _any_of(_context_condition(field.removeprefix(CONTEXT_PREFIX), value) for value in values)
    return Q((f"{field}__in", values))


def _any_of(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions)


def _category_condition(names: Iterable[str]) -> Q:
    """Return the condition that the category is one of these; one that ends in `*` is all that begin so."""
    exact = [name for name in names if not name.endswith("*")]
    beginnings = [Q(BeginsWith("category", name[:-1])) for name in names if name.endswith("*")]
    return _any_of([*([Q(category__in=exact)] if exact else []), *beginnings])


def _group_condition(ids: Iterable[str]) -> Q:
    """Return the condition that a record is of one of these groups.

    The group of the other errors of a source has the records of that source whose own group does not exist.
    """
    ids = list(ids)
    conditions = [Q(group__in=plain)] if (plain := [each for each in ids if not each.startswith(OTHER)]) else []
    for each in ids:
        if each.startswith(OTHER):
            of_source = Group.objects.filter(id=each).values("source")[:1]
            others = Q(~Exists(Group.objects.filter(id=OuterRef("group"))), group__isnull=False)
            conditions.append(Q(Q(source=Subquery(of_source)), others))
    return _any_of(conditions)


def _context_condition(path: str, text: str) -> Q:
    """Return the condition that the context has a value at a path.

    The value is compared as text and, if it is JSON, as JSON. Each dot of the path goes a level deeper or is part of a
    key, so every way to split the path is an alternative.
    """
    values: list[Any] = [text]
    if "\\u" not in text and text.count("[") + text.count("{") <= MAX_CONTEXT_DEPTH:
        with suppress(Malformed, ValueError):
            parsed = read_json(text)
            json.dumps(parsed, allow_nan=False)  # Python reads 1e999 as infinity, which JSON cannot express
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
    """Yield every way to split a path into keys at its dots, fewest keys first."""
    parts = path.split(".")
    cuts = range(1, len(parts))
    for count in range(len(parts)):
        for chosen in combinations(cuts, count):
            edges = [0, *chosen, len(parts)]
            yield [".".join(parts[low:high]) for low, high in pairwise(edges)]
