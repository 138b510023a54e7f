"""The parameters and bodies of the log API in the OpenAPI document: the rules of validation and of the filters.

Rules that no schema can express are in the descriptions: for example, that `since` may not lie after `until`.
"""

from __future__ import annotations

import copy
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from systemlog.compat import choice_schema, map_fields
from systemlog.models import Level
from systemlog.records.fields import MAX_TEXT_CHARACTERS
from systemlog.search.counting.histogram import AUTOMATIC_BUCKETS, MAX_BUCKETS
from systemlog.search.parsing.rules import EXCLUDING, MAX_TYPED_CHARACTERS, PARAMETERS

NOT_BLANK = r"^[^\u0000]*[^\u0000\s][^\u0000]*$"
BLANK_IF_EMPTY = r"^([^\u0000]*[^\u0000\s][^\u0000]*)?$"
NO_NUL = r"^[^\u0000]*$"
RELATIVE = r"^-[0-9]{1,6}[smhdwy]$"

DEFAULT_LIMIT = 200
MAX_LIMIT = 2000
FACETS = ("level", "category", "source")
MAX_VALUES = 200
"""An answer names at most this many values of a facet; it counts the records of the rest together."""

TIME = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "pattern": RELATIVE}]}
TIME_HELP = "RFC 3339 date and time, or relative to now: `-15m`, `-7d` (s, m, h, d, w, y)."
TEXT = {"type": "string", "minLength": 1, "pattern": NO_NUL}
LEVEL = {"type": "string", "enum": Level.values}


def _text(description: str, **more: Any) -> dict[str, Any]:
    rule = {"type": "string", "maxLength": MAX_TEXT_CHARACTERS, "pattern": NOT_BLANK}
    return {**rule, "description": description, **more}


def _text_or_null(description: str) -> dict[str, Any]:
    text = _text(description, pattern=BLANK_IF_EMPTY)
    return {"anyOf": [text, {"type": "null"}], "description": f"{description} An empty text is taken for null."}


A_BODY_IS_REQUIRED = {"required": ["message"]}
"""drf-spectacular marks a body as required if the schema has this keyword, which means nothing for arrays and texts."""

NEW_RECORD: dict[str, Any] = {
    "type": "object",
    "description": "A record to be stored.",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "message": {"type": "string", "pattern": NOT_BLANK, "description": "What happened; at most 64 KiB in UTF-8."},
        "level": {**LEVEL, "default": Level.INFO.value, "description": "Any case is taken."},
        "category": _text("For example the name of a logger.", default="general"),
        "timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "From 1970 to at most 5 minutes ahead. By default now, or the instant in `id`.",
        },
        "id": {
            "type": "string",
            "format": "uuid",
            "description": "Makes the request repeatable. Any version but 7 needs a `timestamp` beside it.",
        },
        "correlation_id": _text_or_null("By default that of this request; null for a record of a bulk."),
        "user_id": _text_or_null("The user who did it."),
        "trace_id": _text_or_null("W3C trace id."),
        "subject": _text_or_null("The object that it is about: `app_label.model:pk`."),
        "source": _text("The service or host.", pattern=NO_NUL),
        "context": {
            "type": "object",
            "description": "Further details: a JSON object of at most 64 KiB, nested at most 20 levels deep.",
        },
    },
}


def _new_record() -> dict[str, Any]:
    """Return a copy of `NEW_RECORD`, because drf-spectacular's hooks change schemas in place.

    The levels are marked like those of a record that is read, so that the document has one component for both.
    """
    schema = copy.deepcopy(NEW_RECORD)
    levels = choice_schema(Level.choices)
    schema["properties"]["level"] = {**levels, **schema["properties"]["level"]}
    return schema


class NewRecordSchema(OpenApiSerializerExtension):
    """The schema of `NewRecordSerializer`."""

    target_class = "systemlog.api.serializers.NewRecordSerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema `NEW_RECORD`."""
        return _new_record()


class BulkRecordSchema(OpenApiSerializerExtension):
    """The schema of `BulkRecordSerializer`."""

    target_class = "systemlog.api.serializers.BulkRecordSerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema of a single record. The answer names a record that breaks it, and the others are kept."""
        return {**_new_record(), "description": "A record of a bulk. A bad record does not stop the others."}


class RecordKeySchema(OpenApiSerializerExtension):
    """The schema of `RecordKeySerializer`, which allows no other members, so that a whole record does not match it."""

    target_class = "systemlog.api.serializers.RecordKeySerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema of an object with id and timestamp only."""
        schema = map_fields(auto_schema, self.target, direction)
        return {**schema, "additionalProperties": False}


class RecordOrKeySchema(OpenApiSerializerExtension):
    """The schema of `RecordOrKeySerializer`."""

    target_class = "systemlog.api.serializers.RecordOrKeySerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return either schema. With `oneOf`, a generated client refused a record, because the key matches too."""
        from systemlog.api.serializers import RecordKeySerializer, RecordSerializer

        either = (RecordSerializer(), RecordKeySerializer())
        return {"anyOf": [auto_schema.resolve_serializer(each, direction).ref for each in either]}


class FacetsOrManySchema(OpenApiSerializerExtension):
    """The schema of `FacetsOrManySerializer`."""

    target_class = "systemlog.api.serializers.FacetsOrManySerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return either schema."""
        from systemlog.api.serializers import FacetsSerializer, ManyFacetsSerializer

        either = (FacetsSerializer(), ManyFacetsSerializer())
        return {"oneOf": [auto_schema.resolve_serializer(each, direction).ref for each in either]}


class RecordOrRecordsSchema(OpenApiSerializerExtension):
    """The schema of `RecordOrRecordsSerializer`."""

    target_class = "systemlog.api.serializers.RecordOrRecordsSerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema of one record or an array of records."""
        from systemlog.api.serializers import BulkRecordSerializer, NewRecordSerializer

        record = auto_schema.resolve_serializer(NewRecordSerializer(), direction).ref
        item = auto_schema.resolve_serializer(BulkRecordSerializer(), direction).ref
        return {"oneOf": [record, {"type": "array", "items": item}], **A_BODY_IS_REQUIRED}


class RecordLinesSchema(OpenApiSerializerExtension):
    """The schema of `RecordLinesSerializer`."""

    target_class = "systemlog.api.serializers.RecordLinesSerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema of a string, because OpenAPI has no schema for NDJSON."""
        return {"type": "string", "description": "One record a line, each a JSON object.", **A_BODY_IS_REQUIRED}


def _parameter(name: str, schema: dict[str, Any], description: str, *, repeatable: bool = False) -> OpenApiParameter:
    if repeatable:
        schema = {"type": "array", "items": schema}
    return OpenApiParameter(name, schema, description=description, explode=repeatable or None)


SCHEMAS: dict[str, dict[str, Any]] = {
    "level": LEVEL,
    "min_level": LEVEL,
    "q": {"type": "string", "pattern": NO_NUL},
    "query": {"type": "string", "pattern": NO_NUL, "maxLength": MAX_TYPED_CHARACTERS},
}
"""The schemas of the filters that are not plain text."""

CONTEXT_PARAMETER = OpenApiParameter(
    "context",
    {"type": "object", "propertyNames": {"pattern": r"^context\..+"}, "additionalProperties": {"type": "string"}},
    description="Members of `context`, each a parameter of its own: `context.order.id=7`. Dots go deeper or are part "
    "of a key; a value is compared as text and as JSON. `context.order.id!=7` excludes.",
    style="form",
    explode=True,
)
EXCLUDE_PARAMETER = OpenApiParameter(
    "exclude",
    {
        "type": "object",
        "properties": {name + EXCLUDING: SCHEMAS.get(name, TEXT) for name, each in PARAMETERS.items() if each.excludes},
        "additionalProperties": False,
    },
    description="Exclusions, each a parameter of its own, repeatable: `category!=x` leaves out what `category=x` would "
    "find. A record without a value stays.",
    style="form",
    explode=True,
)
"""One object, as generators of clients take `category!` and `category` for the same name."""

FILTER_PARAMETERS = [
    *(
        _parameter(name, SCHEMAS.get(name, TEXT), each.description, repeatable=each.repeatable)
        for name, each in PARAMETERS.items()
    ),
    _parameter("since", TIME, f"Not before this, and not after `until`. {TIME_HELP}"),
    _parameter("until", TIME, f"Not after this. {TIME_HELP}"),
    CONTEXT_PARAMETER,
    EXCLUDE_PARAMETER,
]
CURSOR = {"type": "string", "pattern": "^[A-Za-z0-9_.-]+$"}
LIMIT_PARAMETER = _parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    "Records on a page.",
)
LIST_PARAMETERS = [
    *FILTER_PARAMETERS,
    LIMIT_PARAMETER,
    _parameter("cursor", CURSOR, "From `next` or `previous` of a page."),
]
TAIL_PARAMETERS = [
    *(each for each in FILTER_PARAMETERS if each.name not in ("since", "until")),
    LIMIT_PARAMETER,
    _parameter("after", CURSOR, "From `after` of the answer before. Without it, the tail begins now."),
]
MAX_AROUND = 200
AROUND = 25
AROUND_PARAMETERS = [
    _parameter(
        name, {"type": "integer", "minimum": 0, "maximum": MAX_AROUND, "default": AROUND}, f"How many {what} records."
    )
    for name, what in (("before", "older"), ("after", "newer"))
] + [_parameter("same", {"type": "string", "enum": ["source"]}, "Only records of the same source.")]
MAX_SAMPLE = 5000
SAMPLE = 1000
FIELDS_PARAMETERS = [
    *FILTER_PARAMETERS,
    _parameter(
        "sample",
        {"type": "integer", "minimum": 1, "maximum": MAX_SAMPLE, "default": SAMPLE},
        "How many of the newest records to read.",
    ),
]
HISTOGRAM_PARAMETERS = [
    *FILTER_PARAMETERS,
    _parameter(
        "interval",
        {"type": "string", "pattern": "^0{0,5}[1-9][0-9]{0,5}[smhdwy]$"},
        f"Length of a bucket: `5m`, `1h`, `1d`. At most {MAX_BUCKETS} of them; by default as long as makes up to "
        f"{AUTOMATIC_BUCKETS}.",
    ),
]
FACET_PARAMETERS = [
    OpenApiParameter(
        "field",
        {"type": "array", "items": {"type": "string", "enum": list(FACETS)}, "minItems": 1, "uniqueItems": True},
        required=True,
        description="What to count by. With several, the answer has one object for each, in their order.",
        explode=True,
    ),
    *FILTER_PARAMETERS,
]
EXPORT_PARAMETERS = [
    _parameter("format", {"type": "string", "enum": ["ndjson", "csv"], "default": "ndjson"}, "The format of a line."),
    *FILTER_PARAMETERS,
    _parameter("cursor", CURSOR, "From `next` in the trailer of an export that ran out of time."),
]
ID_PARAMETER = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The id of a record.")
