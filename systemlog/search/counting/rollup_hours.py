"""Reading the roll-up: which hours of a search it can count, and the parts of hours that the table must count."""

from __future__ import annotations

from django.db.models import QuerySet

from systemlog.models import SystemLogRollup
from systemlog.search.filters import RollupFilter
from systemlog.search.plan import Plan
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.rollup import HOUR, OTHER, hour_of


def hours_and_edges(plan: Plan) -> tuple[Span | None, list[Span]]:
    """Divide the time of a search into whole hours, for the roll-up, and the parts of hours around them.

    The first value is None if the roll-up cannot answer the filters, or if no whole hour lies within the bounds; then
    the second value is the whole time of the search. The edge above the whole hours comes before the one below.
    """
    span = Span(plan.since or BEGINNING, plan.until or END)
    if plan.rollup is None:
        return None, [span]
    upper = hour_of(span.upper) if plan.until else END
    lower = hour_of(span.lower)
    if lower < span.lower:
        lower = lower + HOUR if END - lower > HOUR else END
    if lower >= upper:
        return None, [span]
    edges = [Span(upper, span.upper), Span(span.lower, lower)]
    return Span(lower, upper), [edge for edge in edges if edge.lower < edge.upper]


def rollup_rows(plan: Plan, rollup: RollupFilter, span: Span) -> QuerySet[SystemLogRollup]:
    """Return the rows of the roll-up that match, for the hours of the span that the roll-up can answer."""
    hours = SystemLogRollup.objects.using(plan.records.db).filter(hour__gte=span.lower, hour__lt=span.upper)
    if mixed := mixed_hours(plan, rollup, span):
        hours = hours.exclude(hour__in=[hour.lower for hour in mixed])
    return hours.filter(rollup.condition)


def mixed_hours(plan: Plan, rollup: RollupFilter, span: Span) -> list[Span]:
    """Return the hours that the table must count, newest first.

    In these hours the roll-up has counted rare categories or sources together, and the filter names some.
    """
    if not rollup.names_values:
        return []
    hours = SystemLogRollup.objects.using(plan.records.db).filter(
        category=OTHER, hour__gte=span.lower, hour__lt=span.upper
    )
    found = hours.order_by("-hour").values_list("hour", flat=True).distinct()
    return [Span(hour, hour + HOUR) for hour in found]
