"""The audited tables: the setting `AUDIT` resolved to tables and columns. Queries no database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, cast

from django.apps import apps
from django.db import connections, router
from django.db.models import ManyToManyField, Model

from systemlog import compat
from systemlog.conf import conf
from systemlog.redaction import REDACTED, redact_value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTable:
    """A table with audit triggers, and what the triggers do with its columns."""

    name: str
    exclude: frozenset[str] = frozenset()
    """Columns that the triggers do not write to the outbox."""
    mask: frozenset[str] = frozenset()
    """Columns whose values the triggers replace by a mask."""
    kept: frozenset[str] = frozenset()
    """Columns that SQLite's triggers write at every update, even if it does not change them."""

    @property
    def hides(self) -> bool:
        """Whether the triggers exclude or mask any column."""
        return bool(self.exclude or self.mask)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditedTable(TriggerTable):
    """A table that the setting `AUDIT` names, by its model."""

    model: type[Model]
    unrecorded: frozenset[str] = frozenset()
    """Columns that are not in `changes`: excluded ones. The triggers write those of the key, for the subject."""

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the model's fields."""
        return frozenset(str(field.column) for field in self.model._meta.local_concrete_fields)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return key_columns(self.model)


SECRET_KEYS = {"authtoken.token.key"}
"""Primary keys that are secrets, but are not called so: the token of REST framework."""


def key_columns(model: type[Model]) -> tuple[str, ...]:
    """Return the columns of a model's primary key, in order."""
    return tuple(str(field.column) for field in model._meta.pk_fields)


def audited_models() -> dict[type[Model], tuple[set[str], set[str]]]:
    """Return the concrete models that `AUDIT` names and their parents, each with its excluded and masked fields.

    Names of models that do not exist are ignored: the system checks report them.
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
    """Return the audited tables of a database, including the tables of many-to-many fields."""
    if alias not in connections:
        return []
    return [
        table
        for table in _all_tables().values()
        if router.allow_migrate_model(alias, table.model) and table.model._meta.app_label != "systemlog"
    ]


def table_of(name: str) -> AuditedTable | None:
    """Return the audited table of this name."""
    return _all_tables().get(name)


def names_audited_table(sql: str) -> bool:
    """Return whether the text of a statement may name an audited table."""
    text = sql.lower()
    return any(name.lower() in text for name in _all_tables())


def is_audited(alias: str) -> bool:
    """Return whether a database may hold an audited table. Called for each new connection, so it must be cheap."""
    return bool(conf().AUDIT) and bool(audited_tables(alias))


def aliases() -> list[str]:
    """Return the aliases of the databases that may hold an audited table."""
    return [alias for alias in connections if audited_tables(alias)] if conf().AUDIT else []


_cached: tuple[object, dict[str, AuditedTable]] = (None, {})
"""The last settings that were resolved, and the tables of these settings by name."""


def _all_tables() -> dict[str, AuditedTable]:
    global _cached  # noqa: PLW0603  (resolved again only when the settings change, as in tests)
    if _cached[0] is not conf():
        _cached = conf(), {table.name: table for table in _find_tables()}
    return _cached[1]


def _find_tables() -> Iterator[AuditedTable]:
    models = audited_models()
    masks = {model: mask for model, (_, mask) in models.items()}
    for model, (exclude, mask) in models.items():
        fields = model._meta.local_concrete_fields
        key = frozenset(key_columns(model))
        excluded = frozenset(str(field.column) for field in fields if names_of(field) & exclude)
        masked = frozenset(str(field.column) for field in fields if names_of(field) & mask or _hides(field, masks))
        for field in fields:
            if getattr(field, "generated", False):  # hides what the columns hide from which it is computed
                behind = compat.columns_behind(field)
                excluded |= {str(field.column)} if behind & excluded else set()
                masked |= {str(field.column)} if behind & masked else set()
        yield AuditedTable(
            name=model._meta.db_table,
            exclude=excluded - key,
            mask=masked - (excluded - key),
            kept=key - masked,
            model=model,
            unrecorded=excluded,
        )
        for relation in model._meta.local_many_to_many:
            if is_plain(relation) and relation.name not in exclude:
                through = cast(type[Model], relation.remote_field.through)
                columns = {str(field.column): field for field in through._meta.local_concrete_fields}
                source, target = relation_columns(relation)
                hidden = {each for each in (source, target) if _hides(_target_of(columns[each]), masks)}
                hidden |= {target} if relation.name in mask else set()
                kept = frozenset(columns)
                yield AuditedTable(name=through._meta.db_table, mask=frozenset(hidden), kept=kept, model=through)


def _hides(field: Any, masks: Mapping[type[Model], set[str]]) -> bool:
    """Return whether a column is masked unasked: by the name of its field, or because it refers to a masked key."""
    target = _target_of(field)
    if target is not field and _hides(target, masks):
        return True
    names = names_of(field)
    if field.primary_key:  # the name of a number says what the row is, and not that the number is a secret
        label = f"{field.model._meta.label_lower}.{field.name}"
        is_text = not target.get_internal_type().endswith(("IntegerField", "AutoField"))
        return bool(names & masks.get(field.model, set())) or label in SECRET_KEYS or (is_text and _is_secret(names))
    return _is_secret(names)


def _target_of(field: Any) -> Any:
    """Return the field to which a foreign key refers in the end, or any other field itself."""
    while getattr(field, "remote_field", None) and getattr(field, "target_field", None):
        field = field.target_field
    return field


def _is_secret(names: set[str]) -> bool:
    return any(is_secret(name) for name in names)


def names_of(field: Any) -> set[str]:
    """Return the names by which `exclude` and `mask` may name a field."""
    return {field.name, field.attname}


def is_plain(relation: ManyToManyField[Any, Any]) -> bool:
    """Return whether Django made the table of a many-to-many field. Any other is audited if `AUDIT` names it."""
    return bool(cast(type[Model], relation.remote_field.through)._meta.auto_created)


def relation_columns(relation: Any) -> tuple[str, str]:
    """Return the columns of a many-to-many table: the key of the declaring model, and the key of the related model."""
    return relation.m2m_column_name(), relation.m2m_reverse_name()


def is_secret(name: str) -> bool:
    """Return whether the redaction of log records takes a field of this name for a password or a key."""
    return redact_value({name: "a value"}) == {name: REDACTED}
