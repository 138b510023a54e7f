"""A record as the API and an export say it, made from a row of the database without a model instance between them."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from systemlog.models import SystemLog
from systemlog.storage.contexts import ContextDecoder
from systemlog.storage.lookups import IdText, TimeText

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
CONTEXT = FIELDS.index("context")

_texts = {"id": "id_text", "timestamp": "time_text", "context": "document"}
_columns = [_texts.get(name, name) for name in FIELDS]


def as_rows(records: QuerySet[SystemLog, Any]) -> QuerySet[SystemLog, Any]:
    """The records as named tuples of texts in the order of `FIELDS`, as they are represented; but the context, by the
    name `document`, as it is stored.
    """
    return records.annotate(
        id_text=IdText("id"), time_text=TimeText("timestamp"), document=Cast("context", TextField())
    ).values_list(*_columns, named=True)


@cache
def all_rows() -> QuerySet[SystemLog, Any]:
    """Of all records; never evaluated itself, so that every search can begin with it."""
    return as_rows(SystemLog.objects.all())


def represent_row(row: Any) -> dict[str, Any]:
    """The JSON object of a row."""
    values = list(row)
    values[CONTEXT] = ContextDecoder().decode(values[CONTEXT])
    return dict(zip(FIELDS, values, strict=True))
