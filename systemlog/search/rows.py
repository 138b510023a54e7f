"""A record as the API and an export say it; a page of them is made without a model instance between row and text."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from systemlog.models import SystemLog
from systemlog.records.context_json import ContextDecoder
from systemlog.records.fields import ALL_FIELDS
from systemlog.records.times import represent_time
from systemlog.storage import Row
from systemlog.storage.expressions import IdText, TimeText

CONTEXT = ALL_FIELDS.index("context")

_texts = {"id": "id_text", "timestamp": "time_text", "context": "document"}
_columns = [_texts.get(name, name) for name in ALL_FIELDS]


def as_rows(records: QuerySet[SystemLog, Any]) -> QuerySet[SystemLog, Any]:
    """The records as named tuples of texts in the order of `ALL_FIELDS`, as they are represented; but the context, by
    the name `document`, as it is stored.
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
    return dict(zip(ALL_FIELDS, values, strict=True))


def represent(record: SystemLog | Row) -> dict[str, Any]:
    """The JSON object of a record."""
    values = {name: getattr(record, name) for name in ALL_FIELDS}
    return values | {"id": str(record.id), "timestamp": represent_time(record.timestamp)}
