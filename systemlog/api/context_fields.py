"""The endpoint `/system/logs/fields/`: the keys and values in the contexts of the newest records."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import ReadingView
from systemlog.api.pages import read_number
from systemlog.api.schema import FIELDS_PARAMETERS, MAX_SAMPLE, SAMPLE
from systemlog.api.serializers import ContextFieldsSerializer
from systemlog.records.times import represent_time
from systemlog.search.context_fields import count_context_fields
from systemlog.search.parsing.parameters import read_query
from systemlog.search.parsing.query import CONTEXT_PREFIX


class ContextFieldsView(ReadingView):
    """Counts the members of contexts."""

    @extend_schema(
        operation_id="system_logs_fields",
        summary="Count the members of `context`",
        description="Reads the newest records that match: which members their contexts have, how many records have "
        "each, and the most frequent values, in the form that the filter `context.<key>` takes.",
        parameters=FIELDS_PARAMETERS,
        responses={200: ContextFieldsSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return the members, the most frequent first."""
        parameters = request.query_params
        query = read_query(parameters, known={"since", "until", "sample"}, now=timezone.now())
        found = count_context_fields(query, sample=read_number(parameters, "sample", 1, MAX_SAMPLE, SAMPLE))
        return Response(
            {
                "sampled": found.sampled,
                "fields": [
                    {
                        "field": CONTEXT_PREFIX + field.path,
                        "count": field.count,
                        "share": round(field.count / found.sampled, 4),
                        "values": [{"value": value, "count": count} for value, count in field.values],
                        "other": field.other,
                    }
                    for field in found.fields
                ],
                "complete": found.searched_until is None,
                "searched_until": found.searched_until and represent_time(found.searched_until),
            }
        )
