"""The changes in an audit record, for display: labels of fields, old and new values, names of related objects.

Related objects are shown by name to users who may view them, and by key to others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import Error
from django.utils.text import Truncator, capfirst

from systemlog.models import SystemLog

SHOWN_CHARACTERS = 200
NOTHING = "—"
MAX_FIELDS = 100
MAX_NAMES = 500

Names = dict[tuple[Any, Any], str]


class Change(NamedTuple):
    """A changed field: its label, and its old and new value as text."""

    field: str
    old: str
    new: str


def changes_of(record: SystemLog, names: Names) -> list[Change]:
    """Return the changed fields of an audit record, each with its old and new value."""
    model = _model_of(record)
    found = []
    for name, sides in islice(_given(record).items(), MAX_FIELDS):
        field = _field_of(model, name)
        label = name if field is None else str(capfirst(getattr(field, "verbose_name", name)))
        target = getattr(field, "related_model", None)
        if isinstance(sides, dict):
            added = ", ".join(_shown(key, target, names) for key in _keys(sides, "added"))
            removed = ", ".join(_shown(key, target, names) for key in _keys(sides, "removed"))
            found.append(Change(label, f"\N{MINUS SIGN} {removed}" if removed else "", f"+ {added}" if added else ""))
        elif isinstance(sides, list) and len(sides) == 2:
            found.append(Change(label, *(_shown(side, target, names) for side in sides)))
    return found


def _shown(value: Any, target: Any, names: Names) -> str:
    if value is None:
        return NOTHING
    text = names.get((target, str(value))) if target is not None else None
    return Truncator(f"{text} ({value})" if text else str(value)).chars(SHOWN_CHARACTERS)


def _given(record: SystemLog) -> dict[str, Any]:
    changes = record.context.get("changes") if isinstance(record.context, dict) else None
    return changes if isinstance(changes, dict) else {}


def names_of_related(records: Iterable[SystemLog], user: Any) -> Names:
    """Return the names of the related objects that the user may view. Makes one query for each of their models."""
    wanted: dict[Any, set[Any]] = defaultdict(set)
    for record in records:
        model = _model_of(record)
        for name, sides in _given(record).items():
            target = getattr(_field_of(model, name), "related_model", None)
            if target is not None:
                keys = [*_keys(sides, "added"), *_keys(sides, "removed")] if isinstance(sides, dict) else sides
                if isinstance(keys, list):
                    wanted[target].update(key for key in keys[:MAX_NAMES] if isinstance(key, int | str))
    names: Names = {}
    for target, keys in wanted.items():
        label, name = target._meta.app_label, target._meta.model_name
        if not any(user.has_perm(f"{label}.{action}_{name}") for action in ("view", "change")):
            continue
        try:
            found = target._base_manager.filter(pk__in=keys)[: len(keys)]
            names |= {(target, str(each.pk)): str(each) for each in found}
        except (ValueError, TypeError, OverflowError, Error):  # the field had another type when the record was made
            continue
    return names


def _keys(sides: dict[str, Any], name: str) -> list[Any]:
    """Return the added or removed keys of a many-to-many change, or an empty list if they are not a list.

    Anybody who may write records can send one that looks like an audit record, so its shape is not certain.
    """
    keys = sides.get(name)
    return keys if isinstance(keys, list) else []


def _model_of(record: SystemLog) -> Any:
    try:
        return apps.get_model((record.subject or "").partition(":")[0])
    except (LookupError, ValueError):
        return None


def _field_of(model: Any, name: str) -> Any:
    try:
        return None if model is None else model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
