"""The audit records of one object."""

from __future__ import annotations

from typing import cast

from django.db.models import Model

from systemlog.models import SystemLog, SystemLogQuerySet


def subjects_of(obj: Model) -> list[str]:
    """Return the subjects of an object's records: one for its own table and one for each table of a parent model."""
    concrete = cast(type[Model], obj._meta.concrete_model)
    found = [f"{concrete._meta.label_lower}:{_key(obj.pk)}"]
    for parent in concrete._meta.all_parents:
        link = concrete._meta.get_ancestor_link(parent)
        if not parent._meta.proxy and link is not None:
            key = obj.serializable_value(parent._meta.pk.attname)
            found.append(f"{parent._meta.label_lower}:{_key(key)}")
    return found


def history(obj: Model) -> SystemLogQuerySet:
    """Return the audit records of an object, newest first, as a queryset: `history(order).filter(user_id="7")`.

    Records that were sent over HTTP are left out, whatever their category is.
    """
    records = SystemLog.objects.filter(
        subject__in=subjects_of(obj), category__startswith="audit.", recorded_by__isnull=True
    )
    return records.order_by("-timestamp", "-id")


def _key(key: object) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple | list) else str(key)
