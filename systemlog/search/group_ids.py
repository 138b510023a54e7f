"""Ids of error groups in a query. An id that older rules gave stands for the group that has its records today."""

from __future__ import annotations

from dataclasses import replace

from systemlog.conf import conf
from systemlog.models import Group
from systemlog.search.parsing.query import Constraint, Query

GROUP = "group"


def with_current_ids(query: Query) -> Query:
    """Return the query with today's id in place of each id of a group that older rules gave."""
    given = {query.group} | {value for each in query.constraints if each.field == GROUP for value in each.values}
    given.discard("")
    if not given:
        return query
    groups = Group.objects.using(conf().DATABASE).filter(id__in=given, alias_of__isnull=False)
    current = {old: new for old, new in groups.values_list("id", "alias_of") if new is not None}
    if not current:
        return query

    def renamed(constraints: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
        return tuple(
            replace(each, values=tuple(current.get(value, value) for value in each.values))
            if each.field == GROUP
            else each
            for each in constraints
        )

    return replace(
        query,
        group=current.get(query.group, query.group),
        any_of=renamed(query.any_of),
        none_of=renamed(query.none_of),
    )
