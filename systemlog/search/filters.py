"""The filters of a query as conditions for the database: on the records, and on the roll-up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from django.db.models import Q

from systemlog.models import Level
from systemlog.records.fields import MAX_CONTEXT_DEPTH
from systemlog.records.strict_json import Malformed, read_json
from systemlog.search.parsing.query import Query
from systemlog.storage.expressions import ContextHolds, HasTerm

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
        conditions.append(_category_condition(query))
    conditions += [Q((name, getattr(query, name))) for name in EQUAL if getattr(query, name)]
    conditions += [HasTerm("message", term) for term in query.terms]
    conditions += [_context_condition(path, text) for path, text in query.context]
    return conditions


def rollup_filter(query: Query) -> RollupFilter | None:
    """Return the same filters for the roll-up, or None if they ask for more than level, category and source."""
    if not query.filters <= {"levels", "min_level", "categories", "source"}:
        return None
    condition = Q()
    if query.levels:
        condition &= Q(level__in=query.levels)
    if query.min_level:
        condition &= Q(level__in=Level.from_severity(query.min_level))
    if query.categories:
        condition &= _category_condition(query)
    if query.source:
        condition &= Q(source=query.source)
    return RollupFilter(condition, names_values=bool(query.categories or query.source))


def _category_condition(query: Query) -> Q:
    """Return the condition that the category is one of the query's; one that ends in `*` is all that begin so."""
    condition = Q(category__in=[name for name in query.categories if not name.endswith("*")])
    for name in query.categories:
        if name.endswith("*"):
            condition |= Q(category__startswith=name.removesuffix("*"))
    return condition


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
