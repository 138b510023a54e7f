"""The endpoint `/system/logs/export/`, which streams every record of a search as NDJSON or CSV."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from systemlog.api.base import ReadingView
from systemlog.api.pages import read_paging
from systemlog.api.schema import EXPORT_PARAMETERS
from systemlog.compat import django_request
from systemlog.problems import InvalidParameters
from systemlog.recording import record
from systemlog.search.catch_up import catch_up
from systemlog.search.export import Export, Rows, as_csv, as_ndjson, compressed
from systemlog.search.parsing.cursors import Cursor
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import make_plan
from systemlog.search.rows import TEXT_ROWS

FORMATS: dict[str, tuple[str, Callable[[Iterable[Rows]], Iterator[bytes]]]] = {
    "ndjson": ("application/x-ndjson", as_ndjson),
    "csv": ("text/csv; charset=utf-8", as_csv),
}


class ExportView(ReadingView):
    """All records that a search finds."""

    @extend_schema(
        operation_id="system_logs_export",
        summary="Export records, newest first",
        description="Streams all records that match, compressed where `Accept-Encoding` takes gzip. An export that "
        'runs out of time (`EXPORT_TIMEOUT_S`) ends with a trailer: in NDJSON a line `{"complete": false, "rows": …, '
        '"next": …}`, in CSV a line that begins with `# incomplete`; `next` is the URL of the rest. An export that '
        "fails is cut off, so that its body has no proper end.",
        parameters=EXPORT_PARAMETERS,
        responses={
            (200, "application/x-ndjson"): OpenApiTypes.BINARY,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Return the stream. An error before the first page is answered as a problem."""
        parameters = request.query_params
        query = read_query(parameters, known={"since", "until", "format", "cursor"}, now=timezone.now())
        name = parameters.get("format", "ndjson")
        if name not in FORMATS:
            raise InvalidParameters({"format": f"This must be one of {', '.join(FORMATS)}."})
        content_type, written = FORMATS[name]
        paging = read_paging(parameters, excluding=("format",))
        query = paging.resolve(query)
        catch_up(query)
        export = Export(make_plan(query, TEXT_ROWS), paging.cursor.after if paging.cursor else None)

        def trailer() -> Iterator[bytes]:
            if export.rest is not None:
                rest = Cursor(export.rest, False, query.since, query.until, total=0, exact=False)
                url = f"{request.build_absolute_uri(request.path)}?{paging.query_string(paging.encode(rest))}"
                yield _trailer(name, export.rows, url)

        chunks: Iterable[bytes] = ()
        if request.method == "GET":
            pages = export.pages()
            first = next(pages)
            asked = {key: parameters.getlist(key) for key in parameters if key not in ("format", "cursor")}
            continued = paging.cursor is not None
            record("audit.export", "Records were exported", format=name, parameters=asked, continued=continued)
            chunks = itertools.chain(written(itertools.chain([first], pages)), trailer())
        response = StreamingHttpResponse(content_type=content_type)
        if takes_gzip(request.headers.get("Accept-Encoding", "")):
            chunks = compressed(chunks)
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Disposition"] = f'attachment; filename="system-logs.{name}"'
        patch_vary_headers(response, ["Accept-Encoding"])
        asynchronous = isinstance(django_request(request), ASGIRequest)
        response.streaming_content = _in_a_thread(iter(chunks)) if asynchronous else chunks
        return response


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header (RFC 9110, section 12.5.3) names gzip or `*` with a weight above 0."""
    weights: dict[str, str] = {}
    for each in accept_encoding.lower().split(","):
        name, _, parameter = each.partition(";")
        weights[name.strip()] = parameter.strip().removeprefix("q=") or "1"
    weight = next((weights[name] for name in ("gzip", "x-gzip", "*") if name in weights), "0")
    return any(digit in "123456789" for digit in weight)


def _trailer(name: str, rows: int, url: str) -> bytes:
    if name == "csv":
        return f"# incomplete: the time is over after {rows} records; go on at {url}\r\n".encode()
    body: dict[str, Any] = {"complete": False, "rows": rows, "next": url}
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


async def _in_a_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same chunks on an asynchronous server, each made in the thread that has the database connection."""
    step = sync_to_async(lambda: next(chunks, None))
    while (chunk := await step()) is not None:
        yield chunk
