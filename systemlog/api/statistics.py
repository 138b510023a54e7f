"""The endpoints that count records: by time (`/system/logs/histogram/`), and by value (`/system/logs/facets/`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import ReadingView
from systemlog.api.schema import FACET_PARAMETERS, FACETS, HISTOGRAM_PARAMETERS, MAX_VALUES
from systemlog.api.serializers import FacetsOrManySerializer, HistogramSerializer
from systemlog.problems import InvalidParameters
from systemlog.records.durations import format_duration, parse_duration
from systemlog.records.times import represent_time
from systemlog.search.counting.facets import Facets, count_facets_of
from systemlog.search.counting.histogram import TooManyBuckets, make_histogram
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import make_plan

TIMES = {"since", "until"}


class HistogramView(ReadingView):
    """Counts records by time and level."""

    @extend_schema(
        operation_id="system_logs_histogram",
        summary="Count records by time",
        description="Buckets begin at midnight UTC, those of weeks on Monday. Empty buckets are included. The first "
        "and the last bucket count only records within `since` and `until`. Whole hours by level, category and source "
        "come from the roll-up and are exact.",
        parameters=HISTOGRAM_PARAMETERS,
        responses={200: HistogramSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return the buckets, oldest first."""
        parameters = request.query_params
        query = read_query(parameters, known={*TIMES, "interval"}, now=timezone.now())
        try:
            found = make_histogram(make_plan(query), _read_interval(parameters))
        except TooManyBuckets as error:
            raise InvalidParameters({"interval": str(error)}) from None
        return Response(
            {
                "interval": format_duration(found.interval),
                "buckets": [
                    {"timestamp": represent_time(bucket.start), "count": bucket.count, "levels": bucket.levels}
                    for bucket in found.buckets
                ],
                "approximate": found.approximate,
                "complete": found.searched_until is None,
                "searched_until": found.searched_until and represent_time(found.searched_until),
            }
        )


class FacetsView(ReadingView):
    """Counts records by the value of a column."""

    @extend_schema(
        operation_id="system_logs_facets",
        summary="Count records by level, category or source",
        description="The values, the most frequent first. Several fields share the time budget of one search, and the "
        'answer is `{"facets": [...]}`, with one object for each field.',
        parameters=FACET_PARAMETERS,
        responses={200: FacetsOrManySerializer},
    )
    def get(self, request: Request) -> Response:
        """Return the values of one field, the most frequent first; or of several."""
        parameters = request.query_params
        query = read_query(parameters, known={*TIMES, "field"}, now=timezone.now(), repeatable={"field"})
        fields = parameters.getlist("field")
        if not fields or not set(fields) <= set(FACETS):
            raise InvalidParameters({"field": f"This must be one of {', '.join(FACETS)}."})
        if len(set(fields)) < len(fields):
            raise InvalidParameters({"field": "Each field may be given once."})
        plan = make_plan(query)
        facets = [_represent(field, found) for field, found in zip(fields, count_facets_of(plan, fields), strict=True)]
        return Response({"facets": facets} if len(facets) > 1 else facets[0])


def _represent(field: str, found: Facets) -> dict[str, Any]:
    shown, others = found.values[:MAX_VALUES], found.values[MAX_VALUES:]
    return {
        "field": field,
        "values": [{"value": value, "count": number} for value, number in shown],
        "other": found.other + sum(number for _, number in others),
        "approximate": found.approximate,
        "complete": found.searched_until is None,
        "searched_until": found.searched_until and represent_time(found.searched_until),
    }


def _read_interval(parameters: QueryDict) -> timedelta | None:
    if "interval" not in parameters:
        return None
    try:
        interval = parse_duration(parameters.get("interval", ""))
    except (ValueError, OverflowError):
        interval = timedelta(0)
    if not interval:
        raise InvalidParameters({"interval": "This must be a number and a unit (s, m, h, d, w, y): 5m, 1h, 1d."})
    return interval
