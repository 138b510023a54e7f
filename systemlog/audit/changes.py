"""Turns the entries of an outbox into records: which object was created, changed or deleted, how, and by whom."""

from __future__ import annotations

import dataclasses
import functools
import logging
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from itertools import groupby
from typing import Any

import orjson
from django.apps import apps
from django.db.models import Model

from systemlog.audit import actor
from systemlog.audit.outbox import Entry, record_id
from systemlog.audit.tables import is_plain, key_columns, relation_columns, table_of
from systemlog.audit.values import MASKED, MAX_BYTES, Presenter, fit, present, presenter
from systemlog.conf import conf
from systemlog.journal.serialization import clean
from systemlog.records.row import JSONText, Row, context_as_json
from systemlog.redaction import has_secret, redact_issued

logger = logging.getLogger("systemlog.audit")

MAX_TEXT_CHARACTERS = 200
ROWS_OF_A_RECORD = 200
"""The most rows of one statement that make one record of a many-to-many field, as in one entry of PostgreSQL."""

SMALL_CHARACTERS = MAX_BYTES // 4
SHOWN_FIELDS = 8
CATEGORIES = {"i": "audit.create", "u": "audit.update", "d": "audit.delete", "t": "audit.truncate"}
VERBS = {"i": "Created", "u": "Changed", "d": "Deleted"}

Values = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """The database of an outbox."""

    alias: str
    number: int
    """See `outbox.source_of`."""
    zone: tzinfo | None
    """The time zone of times that have none; None if the database stores the zone."""
    source: str = dataclasses.field(default_factory=lambda: conf().SOURCE or socket.gethostname()[:MAX_TEXT_CHARACTERS])
    """The field `source` of the records."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Relation:
    """A many-to-many field whose table Django made."""

    name: str
    owner: type[Model]
    source: str
    target: str
    owner_field: Any
    target_field: Any


@dataclasses.dataclass(frozen=True, slots=True)
class _Table:
    """The table of a model."""

    label: str
    exclude: frozenset[str]
    masked_key: frozenset[str]
    key: tuple[str, ...]
    fields: dict[str, Any]
    """The fields of the model, by column."""
    presenters: dict[str, Presenter]
    """Presenters that do not redact, by column."""


def batches(entries: Sequence[Entry], *, more: bool) -> list[list[Entry]]:
    """Divide the entries into parts. Entries of one statement on a many-to-many table are one part, up to a size.

    `more` says that further entries wait in the outbox. If some of them may belong to the last part, that part is left
    out. So a part always has the same members.
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
    """Return a key that the entries of one part share. Only many-to-many tables on SQLite have parts of several."""
    if (
        len(entry.old) + len(entry.new) <= 2
        and (name := actor.decode(entry.ctx).get("s"))
        and _relation_of(entry.table)
    ):
        return entry.table, entry.op, name
    return entry.table, str(entry.seq), ""


def records(parts: Iterable[Sequence[Entry]], origin: Origin) -> Iterator[Row]:
    """Yield the records of the parts, in order. An entry that cannot be read is recorded without its values."""
    for part in parts:
        try:
            yield from _records(part, origin)
        except Exception as error:
            logger.exception(
                "A change is recorded without its values.",
                extra={"action": "audit.unreadable", "table": part[0].table, "error": type(error).__name__},
            )
            yield bare_record(part[0], origin)


def bare_record(entry: Entry, origin: Origin) -> Row:
    """Return the record of an entry without values, for an entry whose values cannot be read or stored."""
    return _row(entry, 0, origin, CATEGORIES.get(entry.op, "audit.update"), _label(entry.table), "", {})


def _records(part: Sequence[Entry], origin: Origin) -> Iterator[Row]:
    first = part[0]
    if first.op == "t":
        yield _row(first, 0, origin, "audit.truncate", _label(first.table), f"Emptied the table {first.table}", {})
    elif relation := _relation_of(first.table):
        yield from _relation_records(part, relation, origin)
    else:
        for entry in part:
            yield from _model_records(entry, origin)


def _model_records(entry: Entry, origin: Origin) -> Iterator[Row]:
    table = _table_of(entry.table)
    for ordinal, (old, new) in enumerate(entry.rows()):
        op = "i" if old is None else "d" if new is None else "u"
        changes = _changes(table, old or {}, new or {}, origin.zone, redacting=False)
        if op == "u" and not changes:
            continue
        subject = f"{table.label}:{_key(new or old or {}, table, origin)}"
        # Most records have no secret. One search through all values is much faster than a search in each.
        text = _as_json(changes)
        if has_secret(f"{subject} {text}".encode("utf-8", "surrogatepass")):
            changes = _changes(table, old or {}, new or {}, origin.zone, redacting=True)
            text = _as_json(changes)
            subject = redact_issued(subject)
        yield _row(entry, ordinal, origin, CATEGORIES[op], subject, _message(op, subject, changes), changes, text)


def _changes(table: _Table, old: Values, new: Values, zone: tzinfo | None, *, redacting: bool) -> Values:
    """Return the old and the new value of each field that differs."""
    changes = {}
    for column in {**old, **new} if old and new else old or new:
        was, is_now = old.get(column), new.get(column)
        if column in table.exclude or (was == is_now and was != MASKED):
            continue
        field = table.fields.get(column)
        show = presenter(field) if redacting or field is None else table.presenters[column]
        shown = [None if was is None else show(was, zone), None if is_now is None else show(is_now, zone)]
        if shown[0] != shown[1] or was == MASKED:
            changes[column if field is None else field.name] = shown
    return changes


def _relation_records(part: Sequence[Entry], relation: _Relation, origin: Origin) -> Iterator[Row]:
    owners: dict[Any, tuple[Entry, int, list[Any], list[Any]]] = {}
    counts: Counter[int] = Counter()
    for entry in part:
        for old, new in entry.rows():
            for row, is_new in ((new, True), (old, False)):
                if row is not None:
                    owner = present(relation.owner_field, row.get(relation.source), origin.zone)
                    if owner not in owners:
                        owners[owner] = entry, counts[entry.seq], [], []
                        counts[entry.seq] += 1  # a row that changes its owner has a record for each of the two
                    target = present(relation.target_field, row.get(relation.target), origin.zone)
                    _, _, *lists = owners[owner]
                    lists[not is_new].append(target)
    for owner, (entry, ordinal, added, removed) in owners.items():
        subject = redact_issued(clean(f"{relation.owner._meta.label_lower}:{owner}"))
        changes = {relation.name: {"added": added, "removed": removed}}
        message = _message("u", subject, changes)
        yield _row(entry, ordinal, origin, "audit.update", subject, message, changes, _as_json(changes))


def _row(
    entry: Entry,
    ordinal: int,
    origin: Origin,
    category: str,
    subject: str,
    message: str,
    changes: Values,
    changes_as_json: str = "{}",
) -> Row:
    who = actor.decode(entry.ctx)
    if len(changes_as_json) > SMALL_CHARACTERS:  # in a shorter text, no value can be too large
        changes_as_json = _as_json(fit(changes))
    context = [f'"table":{_as_json(entry.table)}' if entry.op == "t" else f'"changes":{changes_as_json}']
    if origin.alias != "default":
        context.append(f'"database":{_as_json(origin.alias)}')
    return Row(
        entry.at,
        record_id(entry, ordinal, origin.number),
        "INFO",
        category,
        origin.source,
        message or category,
        _text(who.get("c")),
        _text(who.get("u")),
        JSONText(f"{{{','.join(context)}}}"),
        _text(who.get("t")),
        subject[:MAX_TEXT_CHARACTERS],
        None,
    )


def _message(op: str, subject: str, changes: Values) -> str:
    if op != "u":
        return f"{VERBS[op]} {subject}"
    names = list(changes)
    more = f" and {len(names) - SHOWN_FIELDS} more" if len(names) > SHOWN_FIELDS else ""
    return f"{VERBS[op]} {subject}: {', '.join(names[:SHOWN_FIELDS])}{more}"


def _key(row: Values, table: _Table, origin: Origin) -> str:
    key = []
    for column in table.key:
        show = table.presenters.get(column) or presenter(None, redacting=False)
        key.append(str(show(MASKED if column in table.masked_key else row.get(column), origin.zone)))
    return ",".join(key)


def _as_json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer of more than 64 bits
        return context_as_json(value)


@functools.lru_cache(maxsize=1024)
def _text(value: str | None) -> str | None:
    return None if value is None else redact_issued(clean(value))[:MAX_TEXT_CHARACTERS]


def _label(table: str) -> str:
    relation = _relation_of(table)
    return _table_of(table).label if relation is None else relation.owner._meta.label_lower


def _table_of(name: str) -> _Table:
    """Return the description of a table. If several models share the table, an audited model comes first."""
    tables = _catalogue()[0]
    if name not in tables:
        audited = table_of(name)
        model = audited.model if audited else _catalogue()[2].get(name)
        fields = {} if model is None else {str(field.column): field for field in model._meta.concrete_fields}
        tables[name] = _Table(
            name if model is None else model._meta.label_lower,
            audited.unrecorded if audited else frozenset(),
            audited.mask.intersection(audited.key) if audited else frozenset(),
            ("id",) if model is None else key_columns(model),
            fields,
            {column: presenter(field, redacting=False) for column, field in fields.items()},
        )
    return tables[name]


def _relation_of(table: str) -> _Relation | None:
    return _catalogue()[1].get(table)


_Catalogue = tuple[dict[str, _Table], dict[str, _Relation], dict[str, type[Model]]]
_cached: tuple[object, _Catalogue] = (None, ({}, {}, {}))
"""The settings that were read last; tables, many-to-many fields and models, each by the name of the table."""


def _catalogue() -> _Catalogue:
    global _cached  # noqa: PLW0603  (made again only when the settings change, as in tests)
    if _cached[0] is not conf():
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
        _cached = conf(), ({}, relations, models)
    return _cached[1]
