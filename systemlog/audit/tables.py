"""Which tables are audited: the setting `AUDIT`, resolved to tables and columns. Asks no database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, cast

from django.apps import apps
from django.db import connections, router
from django.db.models import ManyToManyField, Model

from systemlog.conf import conf
from systemlog.redaction import REDACTED, redact_value


@dataclasses.dataclass(frozen=True, slots=True)
class AuditedTable:
    """A table whose changes are recorded; `exclude` and `mask` are columns."""

    model: type[Model]
    exclude: frozenset[str] = frozenset()
    mask: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.model._meta.db_table

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return key_columns(self.model)

    @property
    def told(self) -> tuple[str, ...]:
        """The columns that an update tells though it leaves them: of the key, and of a relation all."""
        if self.model._meta.auto_created:
            return tuple(str(field.column) for field in self.model._meta.concrete_fields)
        return self.key


def key_columns(model: type[Model]) -> tuple[str, ...]:
    """The columns of a model's primary key, in order."""
    return tuple(str(field.column) for field in model._meta.pk_fields)


def audited_models() -> dict[type[Model], tuple[set[str], set[str]]]:
    """The concrete models that `AUDIT` names, and those they inherit from, each with its excluded and masked fields.

    Names that lead nowhere are the system checks' business, and ignored here.
    """
    found: dict[type[Model], tuple[set[str], set[str]]] = {}
    for label, options in conf().AUDIT.items():
        try:
            model: Any = apps.get_model(label)
        except (LookupError, ValueError):
            continue
        model = model._meta.concrete_model
        if model._meta.swapped:
            continue
        given: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
        for each in (model, *model._meta.all_parents):
            if each._meta.proxy:
                continue
            exclude, mask = found.setdefault(each, (set(), set()))
            exclude.update(given.get("exclude") or ())
            mask.update(given.get("mask") or ())
    return found


def audited_tables(alias: str) -> list[AuditedTable]:
    """The tables that are audited on a database, those of plain many-to-many relations included."""
    if alias not in connections:
        return []
    return [
        table
        for table in _all_tables()
        if router.allow_migrate_model(alias, table.model) and table.model._meta.app_label != "systemlog"
    ]


def table_of(name: str) -> AuditedTable | None:
    """The audited table of this name."""
    return next((table for table in _all_tables() if table.name == name), None)


def is_audited(alias: str) -> bool:
    """Whether a database may hold an audited table; cheap enough to be asked for each new connection."""
    return bool(conf().AUDIT) and bool(audited_tables(alias))


def aliases() -> list[str]:
    """The databases that may hold an audited table."""
    return [alias for alias in connections if audited_tables(alias)] if conf().AUDIT else []


_known: tuple[object, tuple[AuditedTable, ...]] = (None, ())
"""The settings that were looked at last, and what they mean."""


def _all_tables() -> tuple[AuditedTable, ...]:
    global _known  # noqa: PLW0603  (found anew only when the settings are others, as in tests)
    if _known[0] is not conf():
        _known = conf(), tuple(_find_tables())
    return _known[1]


def _find_tables() -> Iterator[AuditedTable]:
    for model, (exclude, mask) in audited_models().items():
        columns = {name: str(field.column) for field in model._meta.local_concrete_fields for name in names_of(field)}
        masked = {columns[name] for name in mask if name in columns}
        masked |= {column for name, column in columns.items() if is_secret(name)}
        excluded = {columns[name] for name in exclude if name in columns}
        yield AuditedTable(model, frozenset(excluded), frozenset(masked - excluded - set(key_columns(model))))
        for relation in model._meta.local_many_to_many:
            if is_plain(relation) and relation.name not in exclude:
                hidden = {relation_columns(relation)[1]} if relation.name in mask else set()
                through = cast(type[Model], relation.remote_field.through)
                yield AuditedTable(through, mask=frozenset(hidden))


def names_of(field: Any) -> set[str]:
    """The names by which options may call a field."""
    return {field.name, field.attname}


def is_plain(relation: ManyToManyField[Any, Any]) -> bool:
    """Whether Django made the table of a many-to-many relation; a model of one's own is audited as itself."""
    return bool(cast(type[Model], relation.remote_field.through)._meta.auto_created)


def relation_columns(relation: Any) -> tuple[str, str]:
    """The columns of a relation's table: of the model that declares it, and of the other."""
    return relation.m2m_column_name(), relation.m2m_reverse_name()


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a password or a key, as the redaction of log records has it."""
    return redact_value({name: "a value"}) == {name: REDACTED}
