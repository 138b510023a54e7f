"""The endpoint `/system/logs/tail/`, which clients poll for the records that have landed since a cursor."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import ReadingView
from systemlog.api.pages import read_limit
from systemlog.api.renderers import takes_fragments, with_fast_json
from systemlog.api.schema import TAIL_PARAMETERS
from systemlog.api.serializers import TailSerializer
from systemlog.problems import InvalidParameters
from systemlog.search.catch_up import catch_up
from systemlog.search.paging import fingerprint_of
from systemlog.search.parsing.cursors import BadCursor
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import make_plan
from systemlog.search.rows import TEXT_ROWS, represent_row, represent_row_for_orjson
from systemlog.search.tail import TailPage, begin_tail, follow_tail

POLL_MS = 1000
"""How long a client should wait before it asks again. Every open page of the console asks this often."""

BESIDE_FILTERS = {"after", "limit"}
NOT_HERE = ("since", "until", "cursor")


class TailView(ReadingView):
    """What has landed since a cursor."""

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the project's renderers, with a faster one for JSON."""
        return with_fast_json(super().get_renderers())

    @extend_schema(
        operation_id="system_logs_tail",
        summary="Follow the log",
        description="Without `after`: the cursor of now, and no records. With `after`: every record that became "
        "visible since, once, in the order of landing, however old its timestamp is. The same `after` gives the same "
        "records again. A cursor belongs to its filters. A cursor older than 15 minutes, or of another database, is "
        "answered with `gap`: read the list anew, and go on with the new cursor.",
        parameters=TAIL_PARAMETERS,
        responses={200: TailSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return the records since the cursor, or the first cursor."""
        parameters = request.query_params
        refused = {name: "A tail has no such parameter." for name in NOT_HERE if name in parameters}
        if refused:
            raise InvalidParameters(refused)
        query = read_query(parameters, known=BESIDE_FILTERS, now=timezone.now())
        limit = read_limit(parameters)
        search = fingerprint_of(parameters, BESIDE_FILTERS)
        plan = make_plan(query, TEXT_ROWS)
        catch_up(query)
        if "after" not in parameters:
            page = begin_tail(plan, search)
        else:
            try:
                page = follow_tail(plan, search, str(parameters["after"]), limit=limit)
            except BadCursor:
                raise InvalidParameters({"after": "This is no cursor of a tail with these filters."}) from None
        return Response(_represent(page, fragments=takes_fragments(request)))


def _represent(page: TailPage, *, fragments: bool) -> dict[str, Any]:
    return {
        "items": list(map(represent_row_for_orjson if fragments else represent_row, page.items)),
        "after": page.after,
        "more": page.more,
        "gap": page.gap,
        "poll_ms": POLL_MS,
    }
