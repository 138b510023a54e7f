"""The SQL statements with which rules read the log: they return the times of the newest matching records of a span.

The SQL of a rule is compiled once. Each statement fills in the time bounds and the number of rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connections
from django.db.models import BigIntegerField, Func, QuerySet

from systemlog.alerts.rules import Rule
from systemlog.alerts.spans import from_us, to_us
from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.search.filters import record_conditions, rollup_filter

FIRING_CATEGORY, RESOLVED_CATEGORY, SILENCED_CATEGORY = "alert.firing", "alert.resolved", "alert.silenced"
LOGGER = "systemlog.alerts"
OWN_CATEGORIES = (FIRING_CATEGORY, RESOLVED_CATEGORY, SILENCED_CATEGORY, LOGGER)
"""The categories of the records about alerts. No rule counts these records, or a rule could keep itself firing."""

OWN_LEVELS = {"INFO", "WARNING"}
"""The levels of the records about alerts. A rule about higher levels alone need not exclude them."""

_LOWER, _UPPER = datetime(1970, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), datetime(1970, 1, 2, 3, 4, 6, 678901, tzinfo=UTC)
_LIMIT = 987_654_321


def matching(rule: Rule) -> QuerySet[SystemLog]:
    """Return the records that a rule counts."""
    records = SystemLog.objects.using(conf().DATABASE).filter(*record_conditions(rule.query))
    if rule.query.allowed_levels & OWN_LEVELS:
        records = records.exclude(category__in=OWN_CATEGORIES)
    return records


class Microseconds(Func):
    """A time in microseconds since 1970, on PostgreSQL only: its driver takes ten times as long to read a datetime."""

    output_field = BigIntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Convert the time in the database."""
        template = "(extract(epoch FROM %(expressions)s) * 1000000)::bigint"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Leave the time as it is."""
        return self.as_sql(compiler, connection, template="%(expressions)s", **context)


def _is_read_in_order(rule: Rule) -> bool:
    """Whether PostgreSQL must read an index on the time in order, and stop at the limit.

    No index helps with `storm.*`, and the planner takes such categories for rare although they have just begun. It
    would sort all records of the storm, which takes 90 ms in place of 5.
    """
    if rollup_filter(rule.query) is None:
        return False
    names = [
        *rule.query.categories,
        *(v for each in rule.query.any_of if each.field == "category" for v in each.values),
    ]
    return any(name.endswith("*") for name in names)


class Statement:
    """A rule's statement: the times of the records from `lower` to before `upper`, the newest (or the oldest) first."""

    def __init__(self, rule: Rule, *, newest_first: bool = True) -> None:
        order = "-timestamp" if newest_first else "timestamp"
        records = matching(rule).filter(timestamp__gte=_LOWER, timestamp__lt=_UPPER)
        query = records.order_by(order).values_list(Microseconds("timestamp"))[:_LIMIT].query
        self._alias = records.db
        sql, parameters = query.get_compiler(records.db).as_sql()
        self._sql = sql.replace(str(_LIMIT), "%s")
        self._parameters: list[Any] = [*parameters, _LIMIT]
        adapt = connections[records.db].ops.adapt_datetimefield_value
        self._in_order = connections[records.db].vendor == "postgresql" and _is_read_in_order(rule)
        self._lower, self._upper = self._parameters.index(adapt(_LOWER)), self._parameters.index(adapt(_UPPER))

    def read(self, lower_us: int, upper_us: int, limit: int) -> list[int]:
        """Return the times in microseconds since 1970, `limit` of them at most. Raises `DatabaseError`."""
        connection = connections[self._alias]
        parameters = list(self._parameters)
        parameters[self._lower] = connection.ops.adapt_datetimefield_value(from_us(lower_us))
        parameters[self._upper] = connection.ops.adapt_datetimefield_value(from_us(upper_us))
        parameters[-1] = limit
        with connection.cursor() as cursor:
            if self._in_order:
                cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(self._sql, parameters)
            rows = cursor.fetchall()
            if self._in_order:
                cursor.execute("SET LOCAL enable_bitmapscan TO DEFAULT")
        if connection.vendor == "sqlite":  # SQLite stores no time zone
            return [to_us(row[0].replace(tzinfo=connection.timezone)) for row in rows]
        return [row[0] for row in rows]
