"""The shapes in which a search reads records, and a record as the JSON object of the API.

A page of the API is read as rows of text: no model instance and no decoded context stand between the database and the
answer. The admin reads model instances.
"""

from __future__ import annotations

import marshal
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from systemlog.models import SystemLog
from systemlog.records.context_json import ContextDecoder, as_json
from systemlog.records.fields import ALL_FIELDS, READ_FIELDS
from systemlog.records.times import represent_time
from systemlog.search.position import Position
from systemlog.storage import Row
from systemlog.storage.expressions import IdText, TimeText
from systemlog.storage.group_counts import identity_of_row

ID, TIMESTAMP, MESSAGE, CONTEXT = map(READ_FIELDS.index, ("id", "timestamp", "message", "context"))

_text_names = {"id": "id_text", "timestamp": "time_text", "context": "context_text"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a search reads of each record, and in which form.

    `records` returns the queryset of all records in this form, which a search narrows. `position` and `characters`
    take one result of that queryset: its place in the log, and about how many characters of message and context it has.
    `plain` is true if the results are rows as a database cursor returns them.
    """

    records: Callable[[], QuerySet[SystemLog, Any]]
    position: Callable[[Any], Position]
    characters: Callable[[Any], int]
    plain: bool = False


@cache
def text_rows() -> QuerySet[SystemLog, Any]:
    """Return all records as tuples of text in the order of `READ_FIELDS`.

    Id and timestamp have the form in which the API shows them, the context is the stored JSON. The queryset is made
    once and never evaluated itself, because annotating takes longer than narrowing.
    """
    texts = {"id_text": IdText("id"), "time_text": TimeText("timestamp"), "context_text": Cast("context", TextField())}
    columns = [_text_names.get(name, name) for name in READ_FIELDS]
    return SystemLog.objects.annotate(**texts).values_list(*columns)


def _position_of_row(row: Any) -> Position:
    return Position(datetime.fromisoformat(row[TIMESTAMP]), uuid.UUID(row[ID]))


def _characters_of_row(row: Any) -> int:
    return len(row[MESSAGE]) + len(row[CONTEXT])


def _position_of_instance(record: SystemLog) -> Position:
    return Position(record.timestamp, record.id)


def _characters_of_instance(record: SystemLog) -> int:
    loaded = vars(record)  # deferred fields are missing here, and are not fetched for this
    # Marshalling is the quickest way to learn the size of a dictionary.
    return len(loaded.get("message", "")) + len(marshal.dumps(loaded.get("context")))


TEXT_ROWS = Shape(text_rows, _position_of_row, _characters_of_row, plain=True)
INSTANCES = Shape(SystemLog.objects.all, _position_of_instance, _characters_of_instance)


def represent_row(row: Any) -> dict[str, Any]:
    """Return the JSON object of a text row, for a serializer that knows Python objects only."""
    values = list(row)
    values[CONTEXT] = ContextDecoder().decode(values[CONTEXT])
    return dict(zip(READ_FIELDS, values, strict=True))


def represent_row_for_orjson(row: Any) -> dict[str, Any]:
    """Return the JSON object of a text row, with the stored context as a fragment that orjson copies as it is."""
    values = list(row)
    values[CONTEXT] = orjson.Fragment(as_json(values[CONTEXT]))
    return dict(zip(READ_FIELDS, values, strict=True))


def represent(record: SystemLog | Row) -> dict[str, Any]:
    """Return the JSON object of a record."""
    values = {name: getattr(record, name) for name in ALL_FIELDS}
    if isinstance(record, SystemLog):
        values["group"] = record.group
    else:
        identity = identity_of_row(record)
        values["group"] = identity and identity.id
    return values | {"id": str(record.id), "timestamp": represent_time(record.timestamp)}
