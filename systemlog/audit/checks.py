"""System checks of the setting `AUDIT` and of its triggers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.apps.config import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, connections

from systemlog.audit.installing import dialect, drift
from systemlog.audit.tables import audited_tables
from systemlog.conf import NAME, audit, conf

KINDS = {
    "v": "is a view, which has no changes of its own: audit the tables that it reads",
    "m": "is a materialized view, which has no changes of its own: audit the tables that it reads",
    "f": "is a virtual or foreign table, which takes no triggers of this kind",
    "c": "is distributed by Citus, which takes no triggers: leave the model out, or make the table a local one",
}


@register(Tags.models)
def check_names(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E110: `AUDIT` names existing models; E111: existing fields; E112: not the log itself."""
    given = conf().AUDIT
    if not isinstance(given, Mapping) or audit(given):
        return []  # the check of all settings reports what is malformed
    return [message for label, options in given.items() for message in _wrong_with(label, options)]


@register(Tags.database)
def check_triggers(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: object
) -> list[CheckMessage]:
    """systemlog.W110: the triggers are those that `AUDIT` asks for; W111: all tables can be audited; W112: have keys.

    They are warnings because `migrate` runs these checks first, and an error would keep it from installing triggers.
    """
    messages: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        tables = audited_tables(alias)
        vendor = dialect(connection)
        if vendor is None:
            if tables:
                messages.append(
                    CheckWarning(
                        f"{NAME}['AUDIT'] cannot audit the database {alias!r}, which is {connection.vendor}.",
                        hint="Only changes in PostgreSQL and SQLite are recorded.",
                        id="systemlog.W111",
                    )
                )
            continue
        try:
            messages += _refused(alias)
            messages += _drifted(alias)
        except DatabaseError as error:
            if tables:
                messages.append(
                    CheckWarning(
                        f"The audit triggers of the database {alias!r} cannot be read: {type(error).__name__}.",
                        id="systemlog.W110",
                    )
                )
    return messages


def _wrong_with(label: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        known = [each._meta.label for each in apps.get_models()]
        near = difflib.get_close_matches(label, known, n=1, cutoff=0.5)
        yield Error(
            f"{NAME}['AUDIT'] names {label!r}, which is no model.",
            hint=f"Did you mean {near[0]!r}?" if near else "Write 'app_label.Model'.",
            id="systemlog.E110",
        )
        return
    if model._meta.app_label == "systemlog":
        yield Error(
            f"{NAME}['AUDIT'] names {label!r}: the log cannot audit itself.",
            hint="Records are never changed. Remove it.",
            id="systemlog.E112",
        )
    names = {name for field in model._meta.get_fields() if not field.auto_created for name in _names(field)}
    names |= {name for field in model._meta.concrete_fields for name in _names(field)}
    for key, fields in options.items():
        for name in fields:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
                yield Error(
                    f"{NAME}['AUDIT'][{label!r}][{key!r}] names {name!r}, which is no field of the model.",
                    hint=f"Did you mean {near[0]!r}?" if near else "Name a field that the model has.",
                    id="systemlog.E111",
                )


def _names(field: Any) -> set[str]:
    return {field.name, getattr(field, "attname", field.name)}


def _refused(alias: str) -> Iterator[CheckMessage]:
    connection = connections[alias]
    vendor = dialect(connection)
    tables = audited_tables(alias)
    found = vendor.kinds(connection, tables) if vendor and tables else {}
    absent = []
    for table in tables:
        kind, has_key = found.get(table.name, ("", True))
        label = table.model._meta.label
        if kind in KINDS:
            yield CheckWarning(
                f"{NAME}['AUDIT'] names {label!r}, whose table {table.name!r} {KINDS[kind]}.",
                hint="Its changes are not recorded.",
                id="systemlog.W111",
            )
        elif kind == "i":
            yield CheckWarning(
                f"{NAME}['AUDIT'] names {label!r}, whose table {table.name!r} is part of another table.",
                hint="Only statements that name the part itself are recorded: audit the whole table, too.",
                id="systemlog.W111",
            )
        elif not kind and table.model._meta.managed:
            absent.append(table.name)
        elif not kind:
            yield CheckWarning(
                f"{NAME}['AUDIT'] names the unmanaged model {label!r}, whose table {table.name!r} is not there.",
                hint="Make the table, then run `manage.py migrate`.",
                id="systemlog.W111",
            )
        elif not has_key:
            yield CheckWarning(
                f"{NAME}['AUDIT'] names {label!r}, whose table {table.name!r} has no primary key in the database.",
                hint="Its changes are recorded, but the records do not show which of them belong to one row.",
                id="systemlog.W112",
            )

    if absent:
        yield CheckWarning(
            f"Tables that {NAME}['AUDIT'] asks for are not in the database {alias!r}: {_some(absent)}.",
            hint=f"{_migrate(alias)} A table in another schema must be in the `search_path`.",
            id="systemlog.W110",
        )


def _drifted(alias: str) -> Iterator[CheckMessage]:
    missing, needless = drift(connections[alias])
    tables = sorted({table for table, _ in [*missing, *needless]})
    if tables:
        yield CheckWarning(
            f"The audit triggers in the database {alias!r} are not those that {NAME}['AUDIT'] asks for "
            f"({len(missing)} missing or disabled, {len(needless)} outdated): {_some(tables)}.",
            hint=_migrate(alias),
            id="systemlog.W110",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _migrate(alias: str) -> str:
    return f"Run `manage.py migrate{'' if alias == 'default' else f' --database {alias}'}`."
