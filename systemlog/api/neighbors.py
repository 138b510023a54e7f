"""The endpoint `/system/logs/<id>/around/`: a record among its neighbors."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import ReadingView
from systemlog.api.pages import read_number
from systemlog.api.renderers import takes_fragments, with_fast_json
from systemlog.api.schema import AROUND, AROUND_PARAMETERS, ID_PARAMETER, MAX_AROUND
from systemlog.api.serializers import AroundSerializer
from systemlog.problems import InvalidParameters
from systemlog.records.ids import parse_id
from systemlog.search.neighbors import find_neighbors
from systemlog.search.one_record import find_record
from systemlog.search.rows import represent, represent_row, represent_row_for_orjson

KNOWN = ("before", "after", "same", "format")


class AroundView(ReadingView):
    """The records before and after a record."""

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the project's renderers, with a faster one for JSON."""
        return with_fast_json(super().get_renderers())

    @extend_schema(
        operation_id="system_logs_around",
        summary="Read a record among its neighbors",
        description="Newest first, whatever their level and category are, with the record itself at `index`.",
        parameters=[ID_PARAMETER, *AROUND_PARAMETERS],
        responses={200: AroundSerializer},
    )
    def get(self, request: Request, pk: str) -> Response:
        """Return the record among its neighbors."""
        parameters = request.query_params
        errors = {name[:100]: "There is no such parameter." for name in parameters if name not in KNOWN}
        errors |= {name: "This may be given once." for name in KNOWN if len(parameters.getlist(name)) > 1}
        if parameters.get("same", "source") != "source":
            errors["same"] = "This must be `source`."
        if errors:
            raise InvalidParameters(errors)
        before, after = (read_number(parameters, name, 0, MAX_AROUND, AROUND) for name in ("before", "after"))
        record_id = parse_id(pk)
        record = record_id and find_record(record_id)
        if not record:
            raise NotFound
        found = find_neighbors(record, before=before, after=after, same_source="same" in parameters)
        represent_one = represent_row_for_orjson if takes_fragments(request) else represent_row
        items: list[dict[str, Any]] = [*map(represent_one, found.newer), represent(record)]
        items += map(represent_one, found.older)
        return Response({"items": items, "index": len(found.newer), "complete": found.complete})
