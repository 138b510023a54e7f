"""The audit records of one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.db.models import Model

from systemlog.audit.changes import MAX_TEXT_CHARACTERS
from systemlog.audit.values import key_text
from systemlog.models import SystemLog, SystemLogQuerySet
from systemlog.redaction import redact_issued


def subjects_of(obj: Model) -> list[str]:
    """Return the subjects of an object's records: one for its own table and one for each table of a parent model."""
    concrete = cast(type[Model], obj._meta.concrete_model)
    found = [_subject(concrete, concrete._meta.pk_fields, obj)]
    for parent in concrete._meta.all_parents:
        link = concrete._meta.get_ancestor_link(parent)
        if not parent._meta.proxy and link is not None:
            found.append(_subject(parent, parent._meta.pk_fields, obj))
    return found


def history(obj: Model) -> SystemLogQuerySet:
    """Return the audit records of an object, newest first, as a queryset: `history(order).filter(user_id="7")`.

    Records that were sent over HTTP are left out, whatever their category is.
    """
    records = SystemLog.objects.filter(
        subject__in=subjects_of(obj), category__startswith="audit.", recorded_by__isnull=True
    )
    return records.order_by("-timestamp", "-id")


def _subject(model: type[Model], fields: Sequence[Any], obj: Model) -> str:
    key = ",".join(key_text(field, obj.serializable_value(field.attname)) for field in fields)
    return redact_issued(f"{model._meta.label_lower}:{key}")[:MAX_TEXT_CHARACTERS]
