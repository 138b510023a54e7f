"""The endpoints of the records: read a page or one record, write one record or many. Nothing changes a record."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api import writing
from systemlog.api.base import LogView
from systemlog.api.pages import read_limit, read_paging, represent_answer
from systemlog.api.permissions import SystemLogPermission
from systemlog.api.problems import BodyLimitExceeded, BrokenBody, JournalFull, LogStoreUnavailable, RecordExists
from systemlog.api.renderers import takes_fragments, with_fast_json
from systemlog.api.schema import ID_PARAMETER, LIST_PARAMETERS
from systemlog.api.serializers import (
    BulkResultSerializer,
    RecordLinesSerializer,
    RecordOrKeySerializer,
    RecordOrRecordsSerializer,
    RecordPageSerializer,
    RecordSerializer,
)
from systemlog.models import SystemLog
from systemlog.problems.schema import may_raise
from systemlog.records.ids import parse_id
from systemlog.search.answer import find_answer
from systemlog.search.catch_up import catch_up
from systemlog.search.one_record import find_record
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import make_plan
from systemlog.search.rows import TEXT_ROWS, represent

OTHER_PARAMETERS = {"limit", "cursor", "since", "until"}
"""The parameters of a page beside the filters."""


@extend_schema_view(
    list=extend_schema(
        summary="Read a page of records, newest first",
        description="Every parameter narrows the search. Follow `next` for older records.",
        parameters=LIST_PARAMETERS,
        responses={200: RecordPageSerializer},
    ),
    retrieve=extend_schema(
        summary="Read one record",
        description="One record; the newest, if its id occurs with several timestamps.",
        parameters=[ID_PARAMETER],
        responses={200: RecordSerializer},
    ),
    create=extend_schema(
        summary="Write one record, or many",
        description="A JSON object is one record. It is stored when the answer is 201 (200 if a record with its `id` "
        "and `timestamp` was stored before). A JSON array or NDJSON, also gzip-encoded, is a bulk. Its good records "
        "are accepted (202) and stored as soon as the database takes them; the answer names the bad ones.",
        request={
            "application/json": RecordOrRecordsSerializer,
            "application/x-ndjson": RecordLinesSerializer,
        },
        examples=[
            OpenApiExample(
                "A record",
                {"message": "charge failed", "level": "ERROR", "category": "billing", "context": {"order": 7}},
                request_only=True,
                media_type="application/json",
            )
        ],
        responses={
            200: RecordOrKeySerializer,
            201: RecordOrKeySerializer,
            202: BulkResultSerializer,
        },
    ),
)
class SystemLogViewSet(LogView, viewsets.GenericViewSet[SystemLog]):
    """`GET` and `POST /system/logs/`, `GET /system/logs/<id>/`."""

    queryset = SystemLog.objects.all()
    serializer_class = RecordSerializer
    pagination_class = None
    permission_classes = [SystemLogPermission]
    parser_classes = [writing.UnreadBody]
    # Without OPTIONS: REST framework would describe the serializers, which do not hold the rules of validation.
    http_method_names = ["get", "head", "post"]

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the project's renderers, with a faster one for JSON."""
        return with_fast_json(super().get_renderers())

    def list(self, request: Request) -> Response:
        """Return a page of records: parse, plan, run, represent."""
        parameters = request.query_params
        query = read_query(parameters, known=OTHER_PARAMETERS, now=timezone.now())
        limit, paging = read_limit(parameters), read_paging(parameters, excluding=("limit",))
        query = paging.resolve(query)
        catch_up(query)
        answer = find_answer(make_plan(query, TEXT_ROWS), limit=limit, cursor=paging.cursor)
        url = request.build_absolute_uri(request.path)
        return Response(represent_answer(answer, query, paging, url, fragments=takes_fragments(request)))

    def retrieve(self, request: Request, pk: str) -> Response:
        """Return one record; the newest, if its id occurs with several timestamps."""
        record_id = parse_id(pk)
        record = record_id and find_record(record_id)
        if not record:
            raise NotFound
        return Response(represent(record))

    @may_raise(BrokenBody, BodyLimitExceeded, JournalFull, LogStoreUnavailable, RecordExists)
    def create(self, request: Request) -> Response:
        """Store one record, or accept many."""
        return writing.write(request)
