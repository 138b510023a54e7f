"""Writing records over HTTP: one that is stored in the request, or a bulk that goes into the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, cast

from django.db import InterfaceError, OperationalError
from rest_framework import status
from rest_framework.exceptions import ErrorDetail
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.problems import BodyLimitExceeded, BrokenBody, JournalFull, LogStoreUnavailable, RecordExists
from systemlog.api.repetition import repeats
from systemlog.compat import django_request
from systemlog.correlation import get_correlation_id
from systemlog.ingest import bulk
from systemlog.ingest.lines import line_of
from systemlog.ingest.mapping import LineMaker
from systemlog.ingest.streams import BodyBroken, BodyTooLarge, UnknownEncoding
from systemlog.ingest.validation import InvalidRecord, RecordError, read_record
from systemlog.journal import accept_lines
from systemlog.models import VIEW_PERMISSION, SystemLog
from systemlog.problems import InvalidBody, Place, json_pointer
from systemlog.problems.types import UnsupportedMediaType
from systemlog.records.strict_json import Malformed
from systemlog.search.rows import represent
from systemlog.storage import Row, get_storage

BATCH_ROWS = 2000
MAX_NAMED_RECORDS = 100
"""The answer to a bulk names at most this many bad records."""

MAX_BAD_RECORDS = 10_000
"""A bulk with more bad records than this is not read to its end: a small compressed body can hold millions."""

RETRY_AFTER_S = "5"
NDJSON = ("application/x-ndjson", "application/ndjson")


class UnreadBody(BaseParser):
    """A parser that leaves the body of a request unread, because `write` reads the body piece by piece.

    The CSRF check of a session asks for the form fields of a request, and REST framework would have another parser
    read the whole body for it.
    """

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return no fields."""
        return {}


def write(request: Request) -> Response:
    """Store the record, or accept the records, in the body of a request.

    NDJSON and a JSON array are a bulk; any other JSON is one record. Raises a problem where the body is not taken to
    its end.
    """
    content_type = django_request(request).content_type
    if content_type not in ("application/json", *NDJSON):
        # The message does not repeat the Content-Type, which is text that the client chose.
        raise UnsupportedMediaType(
            "Send application/json or application/x-ndjson.",
            headers={"Accept": "application/json, application/x-ndjson"},
        )
    try:
        pieces = bulk.read_body(django_request(request))
        if content_type in NDJSON:
            return _write_many(request, bulk.read_lines(pieces))
        first, texts = bulk.first_character(bulk.decode(pieces))
        if first == "[":
            return _write_many(request, bulk.read_array(texts))
        return _write_one(request, bulk.read_object(texts))
    except UnknownEncoding:
        raise UnsupportedMediaType(
            "The only Content-Encoding taken is gzip.", headers={"Accept-Encoding": "gzip"}
        ) from None
    except BodyTooLarge:
        raise BodyLimitExceeded(accepted=0) from None
    except BodyBroken as error:
        raise BrokenBody(str(error), accepted=0) from None


def _write_one(request: Request, given: object) -> Response:
    if isinstance(given, Malformed):
        raise BrokenBody(str(given), accepted=0)
    try:
        row = read_record(given, correlation_id=get_correlation_id(), recorded_by=request.user.get_username())
    except InvalidRecord as refused:
        raise _invalid_body(refused) from None
    if getattr(request.auth, "remembered", False):
        # The token was accepted from memory while the database was away, which is enough for the journal only.
        raise LogStoreUnavailable(headers={"Retry-After": RETRY_AFTER_S}, accepted=0)
    stored = _store(row)
    record: SystemLog | Row = row
    if not stored and (known := SystemLog.objects.filter(timestamp=row.timestamp, id=row.id).first()):
        # Where `known` is None, retention has deleted the record since.
        if not repeats(known, row, sent=cast(dict[str, object], given)):
            raise RecordExists
        record = known
    body = represent(record)
    if not request.user.has_perm(VIEW_PERMISSION):
        body = {name: body[name] for name in ("id", "timestamp")}
    location = request.build_absolute_uri(f"{request.path.rstrip('/')}/{row.id}/")
    if not stored:
        return Response(body, status=status.HTTP_200_OK, headers={"Content-Location": location})
    return Response(body, status=status.HTTP_201_CREATED, headers={"Location": location})


def _write_many(request: Request, given: Iterable[object]) -> Response:
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
    """The records of one bulk: sorts good ones from bad ones, and counts both."""

    def __init__(self, request: Request) -> None:
        self._maker = LineMaker(request.user.get_username())
        self.accepted = 0
        self.rejected = 0
        self.errors: list[dict[str, Any]] = []

    def batches(self, given: Iterable[object]) -> Iterator[list[bytes]]:
        """Yield the lines of the good records in batches.

        Where reading `given` raises because the body ends badly, the last batch is yielded before the exception.
        """
        batch: list[bytes] = []
        try:
            for index, each in enumerate(given):
                try:
                    if isinstance(each, Malformed):
                        raise InvalidRecord([RecordError(None, "malformed", str(each))])
                    batch.append(line_of(each, self._maker))
                except InvalidRecord as refused:
                    self._reject(index, refused)
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

    def _reject(self, index: int, refused: InvalidRecord) -> None:
        self.rejected += 1
        if self.rejected > MAX_BAD_RECORDS:
            raise BodyBroken(f"More than {MAX_BAD_RECORDS} records are bad; what follows was not read.")
        if len(self.errors) < MAX_NAMED_RECORDS:
            errors = [
                {"detail": error.detail, "code": error.code, "pointer": _pointer(index, error.field)}
                for error in refused.errors
            ]
            omitted = {"errors_omitted": refused.omitted} if refused.omitted else {}
            self.errors.append({"index": index, "errors": errors, **omitted})


def _pointer(index: int, field: str | None) -> str:
    """Return the JSON pointer (RFC 6901) to a field of a record of a bulk, as a URI fragment."""
    return json_pointer([index] if field is None else [index, field])


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
