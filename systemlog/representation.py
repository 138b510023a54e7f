"""A record as the API and an export say it, made from a row of the database without a model instance between them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from systemlog.models import SystemLog
from systemlog.storage.contexts import ContextDecoder
from systemlog.storage.rows import represent_time

FIELDS = (
    "id",
    "timestamp",
    "level",
    "category",
    "message",
    "correlation_id",
    "user_id",
    "context",
    "trace_id",
    "source",
    "subject",
    "recorded_by",
)
ID, TIMESTAMP, CONTEXT = map(FIELDS.index, ("id", "timestamp", "context"))

_columns = ["document" if name == "context" else name for name in FIELDS]


def as_rows(records: QuerySet[SystemLog, Any]) -> QuerySet[SystemLog, Any]:
    """The records as named tuples in the order of `FIELDS`; in place of `context` its text, as `document`."""
    return records.annotate(document=Cast("context", TextField())).values_list(*_columns, named=True)


def texts_of(row: Any) -> list[str | None]:
    """The row's fields as texts, as they are represented; the context as it is stored."""
    values = list(row)
    values[ID] = str(values[ID])
    values[TIMESTAMP] = represent_time(values[TIMESTAMP])
    return values


def represent_row(row: Any) -> dict[str, Any]:
    """The JSON object of a row."""
    values: list[Any] = texts_of(row)
    values[CONTEXT] = ContextDecoder().decode(values[CONTEXT])
    return dict(zip(FIELDS, values, strict=True))
