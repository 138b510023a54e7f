"""The endpoints of the system log: read pages and records, write one or many; nothing is ever changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, cast

from django.db import InterfaceError, OperationalError
from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import status, viewsets
from rest_framework.exceptions import ErrorDetail, NotFound
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import LogView
from systemlog.api.permissions import VIEW, SystemLogPermission
from systemlog.api.problems import BodyLimitExceeded, BrokenBody, JournalFull, LogStoreUnavailable, RecordExists
from systemlog.api.renderers import with_fast_json
from systemlog.api.repetition import repeats
from systemlog.api.schema import DEFAULT_LIMIT, ID_PARAMETER, LIST_PARAMETERS, MAX_LIMIT
from systemlog.api.serializers import (
    BulkResultSerializer,
    RecordLinesSerializer,
    RecordOrKeySerializer,
    RecordOrRecordsSerializer,
    RecordPageSerializer,
    RecordSerializer,
)
from systemlog.correlation import get_correlation_id
from systemlog.ingest import bulk
from systemlog.ingest.lines import line_of
from systemlog.ingest.mapping import LineMaker
from systemlog.ingest.streams import BodyBroken, BodyTooLarge, UnknownEncoding
from systemlog.ingest.validation import InvalidRecord, RecordError, read_record
from systemlog.journal import accept_lines
from systemlog.models import SystemLog
from systemlog.problems import InvalidBody, InvalidParameters, Place, json_pointer
from systemlog.problems.schema import may_raise
from systemlog.problems.types import UnsupportedMediaType
from systemlog.records.ids import parse_id
from systemlog.records.strict_json import Malformed
from systemlog.records.times import represent_time
from systemlog.search.cursors import BadCursor, Cursor, fingerprint
from systemlog.search.pages import Page, Position, find_page, find_record
from systemlog.search.parameters import read_search
from systemlog.search.rows import all_rows, represent, represent_row
from systemlog.search.total import Total, count
from systemlog.storage import Row, get_storage

BATCH_ROWS = 2000
MAX_REFUSED = 100
"""So many bad records of a bulk are named."""

MAX_BAD_RECORDS = 10_000
"""A bulk with more bad records than this is not read to its end: a small compressed body can hold millions."""

RETRY_AFTER_S = "5"
PAGING = {"limit", "cursor", "since", "until"}
NDJSON = ("application/x-ndjson", "application/ndjson")


class UnreadBody(BaseParser):
    """Leaves the body of any request unread: the views here read it themselves, piece by piece.

    A session's CSRF check asks for the form fields of a request, and DRF then has a parser read all of the body.
    """

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """No fields."""
        return {}


@extend_schema_view(
    list=extend_schema(
        summary="Read a page of records, newest first",
        description="Every parameter narrows the search. Follow `next` for older records.",
        parameters=LIST_PARAMETERS,
        responses={200: RecordPageSerializer},
    ),
    retrieve=extend_schema(summary="Read one record", parameters=[ID_PARAMETER], responses={200: RecordSerializer}),
    create=extend_schema(
        summary="Write one record, or many",
        description="A JSON object is one record, stored when this answers 201 (200, if its `id` and `timestamp` "
        "were there before). A JSON array or NDJSON (also gzip-encoded) is a bulk: good records are accepted (this "
        "answers 202), and stored at once or as soon as the database takes them; bad ones are named.",
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
    parser_classes = [UnreadBody]
    # No OPTIONS: DRF would describe the serializers, which stand for the rules of `intake` and do not hold them.
    http_method_names = ["get", "head", "post"]

    def get_renderers(self) -> list[BaseRenderer]:
        """Those of the project, JSON made faster."""
        return with_fast_json(super().get_renderers())

    def list(self, request: Request) -> Response:
        """A page of records; a cursor carries what the first page found out."""
        query = request.query_params
        search = read_search(query, known=PAGING, now=timezone.now(), records=all_rows())
        limit = _read_limit(query.get("limit", str(DEFAULT_LIMIT)))
        belongs_to, cursor = read_cursor(query, apart=("limit",))
        if cursor:
            search = replace(search, since=cursor.since, until=cursor.until)
        backwards = cursor is not None and cursor.backwards
        counted = Total(search)
        page = find_page(
            search,
            limit=limit,
            after=cursor.after if cursor else None,
            backwards=backwards,
            first_slice=cursor.slice if cursor else None,
            then=None if cursor else counted.count,
        )
        if cursor:
            total, exact = cursor.total, cursor.exact
        elif page.complete:
            total, exact = _total(page, counted.records, counted.exact)
        else:
            total, exact = _total(page, *count(search))

        def url(after: Position | None, backwards: bool, goes_on: bool) -> str | None:
            if after is None:
                return None
            slice_ = page.slice if goes_on else None
            there = Cursor(after, backwards, search.since, search.until, total, exact, slice_)
            parameters = query.copy()
            parameters["cursor"] = there.encode(belongs_to)
            return f"{request.build_absolute_uri(request.path)}?{parameters.urlencode()}"

        return Response(
            {
                "items": [represent_row(row) for row in page.items],
                "total": total,
                "total_relation": "eq" if exact else "gte",
                "complete": page.complete,
                "searched_until": page.searched_until and represent_time(page.searched_until),
                "next": url(page.older, backwards=False, goes_on=not backwards),
                "previous": url(page.newer, backwards=True, goes_on=backwards),
            }
        )

    def retrieve(self, request: Request, pk: str) -> Response:
        """One record; the newest, should its id occur with several timestamps."""
        record_id = parse_id(pk)
        record = record_id and find_record(record_id)
        if not record:
            raise NotFound
        return Response(represent(record))

    @may_raise(BrokenBody, BodyLimitExceeded, JournalFull, LogStoreUnavailable, RecordExists)
    def create(self, request: Request) -> Response:
        """Store one record, or many: what the body is, its type and its first character say."""
        content_type = request._request.content_type
        if content_type not in ("application/json", *NDJSON):
            # The type as sent is not repeated: it is the client's text.
            raise UnsupportedMediaType(
                "Send application/json or application/x-ndjson.",
                headers={"Accept": "application/json, application/x-ndjson"},
            )
        try:
            pieces = bulk.read_body(request._request)
            if content_type in NDJSON:
                return self._create_many(request, bulk.read_lines(pieces))
            first, texts = bulk.first_character(bulk.decode(pieces))
            if first == "[":
                return self._create_many(request, bulk.read_array(texts))
            return self._create_one(request, bulk.read_object(texts))
        except UnknownEncoding:
            raise UnsupportedMediaType(
                "The only Content-Encoding taken is gzip.", headers={"Accept-Encoding": "gzip"}
            ) from None
        except BodyTooLarge:
            raise BodyLimitExceeded(accepted=0) from None
        except BodyBroken as error:
            raise BrokenBody(str(error), accepted=0) from None

    def _create_one(self, request: Request, given: object) -> Response:
        if isinstance(given, Malformed):
            raise BrokenBody(str(given), accepted=0)
        try:
            row = _read(request, given)
        except InvalidRecord as refused:
            raise _invalid_body(refused) from None
        if getattr(request.auth, "remembered", False):  # nobody could ask whether it still holds
            raise LogStoreUnavailable(headers={"Retry-After": RETRY_AFTER_S}, accepted=0)
        stored = _store(row)
        answer: SystemLog | Row = row
        if not stored and (known := SystemLog.objects.filter(timestamp=row.timestamp, id=row.id).first()):
            if not repeats(known, row, sent=cast(dict[str, object], given)):
                raise RecordExists
            answer = known  # else it was pruned since
        readable = request.user.has_perm(VIEW)
        body = represent(answer)
        if not readable:
            body = {name: body[name] for name in ("id", "timestamp")}
        location = request.build_absolute_uri(f"{request.path.rstrip('/')}/{row.id}/")
        if not stored:
            return Response(body, status=status.HTTP_200_OK, headers={"Content-Location": location})
        return Response(body, status=status.HTTP_201_CREATED, headers={"Location": location})

    def _create_many(self, request: Request, given: Iterable[object]) -> Response:
        intake = _Intake(request)
        try:
            for batch in intake.batches(given):
                taken = accept_lines(batch, request.user.get_username())
                intake.accepted += taken
                if taken < len(batch):
                    raise JournalFull(headers={"Retry-After": RETRY_AFTER_S}, accepted=intake.accepted)
        except BodyTooLarge:
            raise BodyLimitExceeded(accepted=intake.accepted) from None
        except BodyBroken as error:
            raise BrokenBody(str(error), accepted=intake.accepted) from None
        return Response(
            {"accepted": intake.accepted, "rejected": intake.rejected, "errors": intake.errors},
            status=status.HTTP_202_ACCEPTED,
        )


class _Intake:
    """A bulk on its way: sorts good records from bad, and counts."""

    def __init__(self, request: Request) -> None:
        self._maker = LineMaker(request.user.get_username())
        self.accepted = 0
        self.rejected = 0
        self.errors: list[dict[str, Any]] = []

    def batches(self, given: Iterable[object]) -> Iterator[list[bytes]]:
        """The good records in batches; where reading raises, the last batch comes before the exception."""
        batch: list[bytes] = []
        try:
            for index, each in enumerate(given):
                try:
                    if isinstance(each, Malformed):
                        raise _malformed(each)
                    batch.append(line_of(each, self._maker))
                except InvalidRecord as refused:
                    self._refuse(index, refused)
                if len(batch) == BATCH_ROWS:
                    yield batch
                    self._maker.look_at_the_clock()
                    batch = []
        except (BodyTooLarge, BodyBroken):
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def _refuse(self, index: int, refused: InvalidRecord) -> None:
        self.rejected += 1
        if self.rejected > MAX_BAD_RECORDS:
            raise BodyBroken(f"More than {MAX_BAD_RECORDS} records are bad; what follows was not read.")
        if len(self.errors) < MAX_REFUSED:
            errors = [
                {"detail": error.detail, "code": error.code, "pointer": pointer(index, error.field)}
                for error in refused.errors
            ]
            omitted = {"errors_omitted": refused.omitted} if refused.omitted else {}
            self.errors.append({"index": index, "errors": errors, **omitted})


def pointer(index: int, field: str | None) -> str:
    """A JSON pointer (RFC 6901) as a URI fragment, to a field of a record in a body of many."""
    return json_pointer([index] if field is None else [index, field])


def read_cursor(query: QueryDict, apart: Sequence[str] = ()) -> tuple[str, Cursor | None]:
    """The fingerprint of the search, and its cursor if one is given; parameters `apart` do not belong to the search.

    Raises `InvalidParameters` for a text that is no cursor, or one of another search.
    """
    belongs_to = fingerprint(
        (name, value) for name in query if name not in (*apart, "cursor") for value in query.getlist(name)
    )
    if "cursor" not in query:
        return belongs_to, None
    try:
        return belongs_to, Cursor.decode(str(query["cursor"]), belongs_to)
    except BadCursor:
        raise InvalidParameters({"cursor": "This is no cursor of this search."}) from None


def _malformed(given: Malformed) -> InvalidRecord:
    return InvalidRecord([RecordError(None, "malformed", str(given))])


def _read(request: Request, given: object) -> Row:
    if isinstance(given, Malformed):
        raise _malformed(given)
    return read_record(given, correlation_id=get_correlation_id(), recorded_by=request.user.get_username())


def _store(row: Row) -> int:
    try:
        return get_storage().insert([row])
    except (OperationalError, InterfaceError) as error:
        raise LogStoreUnavailable(headers={"Retry-After": RETRY_AFTER_S}, accepted=0) from error


def _invalid_body(refused: InvalidRecord) -> InvalidBody:
    places = [
        Place(() if error.field is None else (error.field,), ErrorDetail(error.detail, code=error.code))
        for error in refused.errors
    ]
    return InvalidBody(places, refused.omitted)


def _read_limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidParameters({"limit": f"This must be a number from 1 to {MAX_LIMIT}."})


def _total(page: Page, counted: int, exact: bool) -> tuple[int, bool]:
    """How many records match, and whether that is exact; the first page itself may know."""
    seen = len(page.items)
    if page.complete and page.older is None:
        return seen, True
    return max(counted, seen), exact and counted >= seen
