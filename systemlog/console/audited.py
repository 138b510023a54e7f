"""`AuditedAdmin`: the history of an object in the admin, from the audit trail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.contrib.admin.utils import unquote
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db import Error
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from systemlog.audit.draining import drain_waiting
from systemlog.audit.reading import history
from systemlog.models import VIEW_PERMISSION, SystemLog
from systemlog.records.ids import instant_of, parse_id

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object

PAGE_ROWS = 50
SHOWN_CHARACTERS = 200
NOTHING = "—"

Names = dict[tuple[Any, Any], str]


class Change(NamedTuple):
    """A field that changed, in words."""

    field: str
    old: str
    new: str


class AuditedAdmin(Base):
    """A mixin for a `ModelAdmin` of an audited model: its history tab shows who changed what, when, and from what.

    `class OrderAdmin(AuditedAdmin, admin.ModelAdmin)`. It is shown to whoever may view the object. Related objects are
    shown by name to those who may view them, and each change leads to the story of its request for those who may read
    the log.
    """

    audit_history_template = "admin/systemlog/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the audit records of the object, newest first."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return super().history_view(request, object_id, extra_context)
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        try:
            drain_waiting()
        except Error:
            waiting = True  # what is stored can be shown nevertheless
        else:
            waiting = False
        records = history(obj)
        before = parse_id(request.GET.get("before", ""))
        if before is not None and (instant := instant_of(before)) is not None:
            records = records.filter(Q(timestamp__lt=instant) | Q(timestamp=instant, id__lt=before))
        found = list(records[: PAGE_ROWS + 1])
        shown = found[:PAGE_ROWS]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Change history: %s") % obj,
            "subtitle": None,
            "entries": _entries(shown, request, self._story_url(request)),
            "older": shown[-1].id if len(found) > PAGE_ROWS else None,
            "waiting": waiting,
            "module_name": str(capfirst(self.opts.verbose_name_plural)),
            "object": obj,
            "opts": self.opts,
            "preserved_filters": self.get_preserved_filters(request),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.audit_history_template, context)

    def _story_url(self, request: HttpRequest) -> str | None:
        if not request.user.has_perm(VIEW_PERMISSION):
            return None
        try:
            return reverse("admin:systemlog_systemlog_changelist", current_app=self.admin_site.name)
        except NoReverseMatch:  # the site does not show the log
            return None


def _entries(records: Sequence[SystemLog], request: HttpRequest, story: str | None) -> list[dict[str, Any]]:
    names = _names_of_related(records, request)
    users = _names_of_users(records)
    return [
        {
            "time": record.timestamp,
            "user": users.get(record.user_id, record.user_id),
            "action": record.category.removeprefix("audit."),
            "changes": _changes(record, names),
            "story": f"{story}?correlation_id={record.correlation_id}" if story and record.correlation_id else None,
        }
        for record in records
    ]


def _changes(record: SystemLog, names: Names) -> list[Change]:
    model = _model_of(record)
    found = []
    for name, sides in _given(record).items():
        field = _field_of(model, name)
        label = name if field is None else str(capfirst(getattr(field, "verbose_name", name)))
        target = getattr(field, "related_model", None)
        if isinstance(sides, dict):
            added = ", ".join(_shown(key, target, names) for key in sides.get("added") or ())
            removed = ", ".join(_shown(key, target, names) for key in sides.get("removed") or ())
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


def _names_of_related(records: Sequence[SystemLog], request: HttpRequest) -> Names:
    """The names of related objects, one query for each model that the user may view."""
    wanted: dict[Any, set[Any]] = defaultdict(set)
    for record in records:
        model = _model_of(record)
        for name, sides in _given(record).items():
            target = getattr(_field_of(model, name), "related_model", None)
            if target is not None:
                keys = [*sides.get("added", ()), *sides.get("removed", ())] if isinstance(sides, dict) else sides
                wanted[target].update(key for key in keys if isinstance(key, int | str))
    names: Names = {}
    for target, keys in wanted.items():
        label, name = target._meta.app_label, target._meta.model_name
        if not any(request.user.has_perm(f"{label}.{action}_{name}") for action in ("view", "change")):
            continue
        try:
            found = target._base_manager.filter(pk__in=keys)[: len(keys)]
            names |= {(target, str(each.pk)): str(each) for each in found}
        except (ValueError, TypeError, Error):  # keys of a field that was of another kind
            continue
    return names


def _names_of_users(records: Sequence[SystemLog]) -> dict[str | None, str]:
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()
    keys = []
    for key in {record.user_id for record in records if record.user_id}:
        with suppress(ValidationError, ValueError, TypeError):  # the name of a script
            keys.append(users._meta.pk.to_python(key))
    return {str(user.pk): user.get_username() for user in users._default_manager.filter(pk__in=keys)}


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
