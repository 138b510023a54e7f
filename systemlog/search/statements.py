"""Statements of searches, compiled once and run again with other bounds, positions and limits.

Django's ORM builds a statement anew each time, which takes longer than the database takes to answer it. What differs
from one page of a search to the next is only a few values. A statement is compiled with placeholders for them, and kept
by the filters of the search.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import F, QuerySet

from systemlog.models import SystemLogRollup
from systemlog.search.parsing.query import Query
from systemlog.search.plan import prepare
from systemlog.search.position import Position, beyond
from systemlog.search.rows import Shape
from systemlog.storage.calendar import Span

KEPT = 512
"""Statements that a process keeps."""

# Placeholders are random, so that no client can send a value that looks like one.
_chance = random.SystemRandom()
_LOWER, _UPPER, _AFTER = (
    datetime(1900 + number, 1, 1, tzinfo=UTC) + timedelta(microseconds=_chance.randrange(10**12)) for number in range(3)
)
_AFTER_ID = uuid.UUID(int=_chance.getrandbits(128))
_LIMIT = _chance.randrange(10**17, 10**18)


class Statement:
    """SQL with places for values, which `rows` fills in."""

    def __init__(self, alias: str, sql: str, values: Sequence[Any], places: Sequence[int]) -> None:
        self._alias, self._sql, self._values, self._places = alias, sql, list(values), places

    def within(self, sql: str) -> Statement:
        """Return a statement that has this one as a subquery, in the place `{sql}`."""
        return Statement(self._alias, sql.format(sql=self._sql), self._values, self._places)

    def rows(self, *values: Any) -> list[Any]:
        """Run the statement with these values in its places, and return all rows."""
        filled = self._values.copy()
        for place, value in zip(self._places, values, strict=True):
            filled[place] = value
        with connections[self._alias].cursor() as cursor:
            cursor.execute(self._sql, filled)
            return list(cursor.fetchall())


class PageStatement:
    """Reads a part of a page: up to `limit` records within bounds, beyond a position."""

    def __init__(self, alias: str, statement: Statement, *, lower: bool, upper: bool, after: bool) -> None:
        self._statement = statement
        self._lower, self._upper, self._after = lower, upper, after
        operations = connections[alias].ops
        self._adapt = operations.adapt_datetimefield_value
        self._native_ids = connections[alias].features.has_native_uuid_field

    def rows(self, lower: datetime, upper: datetime, after: Position | None, limit: int) -> list[Any]:
        """Return the records. A bound that the statement does not have is ignored."""
        values: list[Any] = []
        if self._after and after is not None:
            values += [self._adapt(after.timestamp), after.id if self._native_ids else after.id.hex]
        if self._lower:
            values.append(self._adapt(lower))
        if self._upper:
            values.append(self._adapt(upper))
        return self._statement.rows(*values, limit)


@lru_cache(KEPT)
def page_statement(
    alias: str, query: Query, shape: Shape, *, lower: bool, upper: bool, after: bool, backwards: bool
) -> PageStatement | None:
    """Return the statement for the pages of a query, which has no bounds of its own; None if it cannot be compiled."""
    records = prepare(query, shape).records.order_by(*(("timestamp", "id") if backwards else ("-timestamp", "-id")))
    placeholders: list[Any] = []
    operations = connections[alias].ops
    if after:
        records = records.filter(beyond(Position(_AFTER, _AFTER_ID), backwards))
        native = connections[alias].features.has_native_uuid_field
        placeholders += [operations.adapt_datetimefield_value(_AFTER), _AFTER_ID if native else _AFTER_ID.hex]
    if lower:
        records = records.filter(timestamp__gte=_LOWER)
        placeholders.append(operations.adapt_datetimefield_value(_LOWER))
    if upper:
        records = records.filter(timestamp__lt=_UPPER)
        placeholders.append(operations.adapt_datetimefield_value(_UPPER))
    statement = _compiled(alias, records[:_LIMIT], placeholders)
    return None if statement is None else PageStatement(alias, statement, lower=lower, upper=upper, after=after)


def sum_hours(alias: str, query: Query, shape: Shape, span: Span) -> int | None:
    """Return how many records of a query the roll-up has in the hours of a span; None if the roll-up cannot answer."""
    statement = _hours_statement(alias, query, shape)
    if statement is None:
        return None
    [(total,)] = statement.rows(*map(connections[alias].ops.adapt_datetimefield_value, span))
    return int(total or 0)


@lru_cache(KEPT)
def _hours_statement(alias: str, query: Query, shape: Shape) -> Statement | None:
    rollup = prepare(query, shape).rollup
    if rollup is None:
        return None
    hours = SystemLogRollup.objects.filter(rollup.condition, hour__gte=_LOWER, hour__lt=_UPPER)
    adapt = connections[alias].ops.adapt_datetimefield_value
    statement = _compiled(alias, hours.values(number=F("count")), [adapt(_LOWER), adapt(_UPPER)])
    return statement and statement.within("SELECT sum(number) FROM ({sql}) hours")


def _compiled(alias: str, records: QuerySet[Any, Any], placeholders: Sequence[Any]) -> Statement | None:
    """Compile a queryset. Return None if no row can match, or if a placeholder does not occur exactly once."""
    with suppress(EmptyResultSet):
        sql, values = records.query.get_compiler(alias).as_sql()
        places = [place for each in placeholders for place, value in enumerate(values) if value == each]
        if len(places) == len(placeholders):
            if str(_LIMIT) in sql:
                sql, values, places = sql.replace(str(_LIMIT), "%s"), (*values, None), [*places, len(values)]
            return Statement(alias, sql, values, places)
    return None
