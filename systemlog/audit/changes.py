"""Entries of an outbox as records: what was made, changed and deleted, of which object, by whom."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from itertools import groupby
from typing import Any

from django.apps import apps
from django.db.models import Model

from systemlog.audit import actor
from systemlog.audit.outbox import Entry, record_id
from systemlog.audit.tables import is_plain, key_columns, relation_columns, table_of
from systemlog.audit.values import MASKED, MAX_BYTES, abridge, present
from systemlog.conf import conf
from systemlog.journal.serialization import clean
from systemlog.records.row import JSONText, Row, context_as_json
from systemlog.redaction import redact_issued

logger = logging.getLogger("systemlog.audit")

MAX_TEXT_CHARACTERS = 200
MAX_CONTEXT_BYTES = 64 * 1024
ROWS_OF_A_RECORD = 200
"""So many rows of one statement make one record of a many-to-many relation, as an entry of PostgreSQL has them."""

SMALL_CHARACTERS = MAX_BYTES // 4
SHOWN_FIELDS = 8
CATEGORIES = {"i": "audit.create", "u": "audit.update", "d": "audit.delete", "t": "audit.truncate"}
VERBS = {"i": "Created", "u": "Changed", "d": "Deleted", "t": "Emptied"}

Values = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """The database that an outbox is of."""

    alias: str
    number: int
    """See `outbox.source_of`."""
    zone: tzinfo | None
    """Of times without one; None where the database has them with it."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Relation:
    """A many-to-many relation whose table Django made."""

    name: str
    owner: type[Model]
    source: str
    target: str
    owner_field: Any
    target_field: Any


def batches(entries: Sequence[Entry], *, more: bool) -> list[list[Entry]]:
    """The entries, those of one statement on a relation's table together, in parts of a record's size.

    With `more`, other entries wait behind these: a last part that may have members among them is left out, so that a
    part has the same members whenever it is read.
    """
    parts: list[list[Entry]] = []
    for (_, _, statement), group in groupby(entries, key=_statement):
        members = list(group)
        size = ROWS_OF_A_RECORD if statement else 1
        parts += [members[start : start + size] for start in range(0, len(members), size)]
    if more and len(parts) > 1 and len(parts[-1]) < ROWS_OF_A_RECORD and _statement(entries[-1])[2]:
        parts.pop()
    return parts


def _statement(entry: Entry) -> tuple[str, str, str | int]:
    """What entries of one statement have in common; for all but relations' tables of SQLite, each is its own."""
    if (
        len(entry.old) + len(entry.new) <= 2
        and (name := actor.decode(entry.ctx).get("s"))
        and _relation_of(entry.table)
    ):
        return entry.table, entry.op, name
    return entry.table, str(entry.seq), ""


def records(parts: Iterable[Sequence[Entry]], origin: Origin) -> Iterator[Row]:
    """The records of the parts, in order. An entry that cannot be read is recorded without its values."""
    for part in parts:
        try:
            yield from _records(part, origin)
        except Exception as error:
            logger.exception(
                "A change could not be told in full.",
                extra={"action": "audit.unreadable", "table": part[0].table, "error": type(error).__name__},
            )
            yield bare_record(part[0], origin)


def bare_record(entry: Entry, origin: Origin) -> Row:
    """The record of an entry without values, for one whose values cannot be told or stored."""
    return _row(entry, 0, origin, CATEGORIES.get(entry.op, "audit.update"), _label(entry.table), "", {})


def _records(part: Sequence[Entry], origin: Origin) -> Iterator[Row]:
    first = part[0]
    if first.op == "t":
        yield _row(first, 0, origin, "audit.truncate", _label(first.table), f"Emptied {_label(first.table)}", {})
    elif relation := _relation_of(first.table):
        yield from _relation_records(part, relation, origin)
    else:
        for entry in part:
            yield from _model_records(entry, origin)


def _model_records(entry: Entry, origin: Origin) -> Iterator[Row]:
    model = _model_of(entry.table)
    fields: Values = {} if model is None else {str(field.column): field for field in model._meta.concrete_fields}
    table = table_of(entry.table)
    exclude = table.exclude if table else frozenset()
    key = key_columns(model) if model is not None else ("id",)
    label = _label(entry.table)
    for ordinal, (old, new) in enumerate(entry.rows()):
        op = "i" if old is None else "d" if new is None else "u"
        before, after = old or {}, new or {}
        changes = {}
        for column in {**before, **after}:
            if column in exclude:
                continue
            was, is_now = before.get(column), after.get(column)
            if op == "u" and was == is_now and was != MASKED:
                continue
            field = fields.get(column)
            name = column if field is None else field.name
            shown = [
                None if was is None else present(field, was, origin.zone),
                None if is_now is None else present(field, is_now, origin.zone),
            ]
            if shown[0] != shown[1] or was == MASKED:
                changes[name] = shown
        if op == "u" and not changes:
            continue
        row = new or old or {}
        subject = f"{label}:{_key(row, key, fields, origin)}"
        yield _row(entry, ordinal, origin, CATEGORIES[op], subject, _message(op, subject, changes), changes)


def _relation_records(part: Sequence[Entry], relation: _Relation, origin: Origin) -> Iterator[Row]:
    label = relation.owner._meta.label_lower
    owners: dict[Any, tuple[Entry, int, list[Any], list[Any]]] = {}
    for entry in part:
        for ordinal, (old, new) in enumerate(entry.rows()):
            for row, is_new in ((new, True), (old, False)):
                if row is not None:
                    owner = present(relation.owner_field, row.get(relation.source), origin.zone)
                    _, _, added, removed = owners.setdefault(owner, (entry, ordinal, [], []))
                    target = present(relation.target_field, row.get(relation.target), origin.zone)
                    (added if is_new else removed).append(target)
    for owner, (entry, ordinal, added, removed) in owners.items():
        subject = f"{label}:{owner}"
        changes = {relation.name: {"added": added, "removed": removed}}
        yield _row(entry, ordinal, origin, "audit.update", subject, _message("u", subject, changes), changes)


def _row(entry: Entry, ordinal: int, origin: Origin, category: str, subject: str, message: str, changes: Values) -> Row:
    who = actor.decode(entry.ctx)
    context: Values = {} if category == "audit.truncate" else {"changes": changes}
    if origin.alias != "default":
        context["database"] = origin.alias
    text = context_as_json(context)
    if len(text) > SMALL_CHARACTERS:  # in a smaller one no value is too large
        text = context_as_json({**context, "changes": _fitting(changes)})
    return Row(
        entry.at,
        record_id(entry, ordinal, origin.number),
        "INFO",
        category,
        conf().SOURCE or socket.gethostname()[:MAX_TEXT_CHARACTERS],
        message or category,
        _text(who.get("c")),
        _text(who.get("u")),
        JSONText(text),
        _text(who.get("t")),
        redact_issued(clean(subject))[:MAX_TEXT_CHARACTERS],
        None,
    )


def _fitting(changes: Values) -> Values:
    """The changes, large values abridged: those above 4 kB, and smaller ones too where all are too many."""
    for most in (4096, 1024, 256, 64):
        told = {name: _abridged(value, most) for name, value in changes.items()}
        if len(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")) <= MAX_CONTEXT_BYTES:
            return told
    return told


def _abridged(value: Any, most: int) -> Any:
    if isinstance(value, list):
        return [abridge(side, most) for side in value]
    return {name: [abridge(item, most) for item in items] for name, items in value.items()}


def _message(op: str, subject: str, changes: Values) -> str:
    if op != "u":
        return f"{VERBS[op]} {subject}"
    names = list(changes)
    more = f" and {len(names) - SHOWN_FIELDS} more" if len(names) > SHOWN_FIELDS else ""
    return f"{VERBS[op]} {subject}: {', '.join(names[:SHOWN_FIELDS])}{more}"


def _key(row: Values, key: Sequence[str], fields: dict[str, Any], origin: Origin) -> str:
    return ",".join(str(present(fields.get(column), row.get(column), origin.zone)) for column in key)


def _text(value: str | None) -> str | None:
    return None if value is None else redact_issued(clean(value))[:MAX_TEXT_CHARACTERS]


def _label(table: str) -> str:
    relation = _relation_of(table)
    if relation is not None:
        return relation.owner._meta.label_lower
    model = _model_of(table)
    return table if model is None else model._meta.label_lower


def _model_of(table: str) -> type[Model] | None:
    """The model that a table is of; an audited one before one that shares its table."""
    audited = table_of(table)
    return audited.model if audited else _catalogue()[0].get(table)


def _relation_of(table: str) -> _Relation | None:
    return _catalogue()[1].get(table)


_known: tuple[object, dict[str, type[Model]], dict[str, _Relation]] = (None, {}, {})
"""Settings and apps that were looked at last, the models by table, and the relations by theirs."""


def _catalogue() -> tuple[dict[str, type[Model]], dict[str, _Relation]]:
    global _known  # noqa: PLW0603  (made anew only when it is another project, as in tests)
    if _known[0] is not conf():
        models: dict[str, type[Model]] = {}
        relations: dict[str, _Relation] = {}
        for model in apps.get_models():
            if model._meta.proxy:
                continue
            models.setdefault(model._meta.db_table, model)
            for relation in model._meta.local_many_to_many:
                if is_plain(relation):
                    source, target = relation_columns(relation)
                    through: Any = relation.remote_field.through
                    fields = {field.column: field for field in through._meta.concrete_fields}
                    relations[through._meta.db_table] = _Relation(
                        relation.name, model, source, target, fields[source], fields[target]
                    )
        _known = conf(), models, relations
    return _known[1], _known[2]
