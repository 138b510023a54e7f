"""`AuditedAdmin`: the history page of an object in the admin, from the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import Error
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from systemlog.audit.draining import drain_waiting
from systemlog.audit.reading import history
from systemlog.console.changes import changes_of, names_of_related
from systemlog.models import VIEW_PERMISSION, SystemLog
from systemlog.records.ids import instant_of, parse_id

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object

PAGE_ROWS = 50


class AuditedAdmin(Base):
    """A mixin for the `ModelAdmin` of an audited model. Its history page shows who changed which values, and when.

    Use it as `class OrderAdmin(AuditedAdmin, admin.ModelAdmin)`. Users who may view the object may view its history.
    Related objects are shown by name to users who may view them, and by key to others. For users who may read the log,
    each change links to its request.
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
            waiting = True  # the page says that changes may be missing, and shows the stored records
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
        # A project may show the log by an admin class of its own, which has no story page.
        for page in ("story", "changelist"):
            with suppress(NoReverseMatch):
                return reverse(f"admin:systemlog_systemlog_{page}", current_app=self.admin_site.name)
        return None


def _entries(records: Sequence[SystemLog], request: HttpRequest, story: str | None) -> list[dict[str, Any]]:
    names = names_of_related(records, request.user)
    users = _names_of_users(records)
    return [
        {
            "time": record.timestamp,
            "user": users.get(record.user_id, record.user_id),
            "action": record.category.removeprefix("audit."),
            "changes": changes_of(record, names),
            "story": story
            and record.correlation_id
            and f"{story}?{urlencode({'correlation_id': record.correlation_id})}",
        }
        for record in records
    ]


def _names_of_users(records: Sequence[SystemLog]) -> dict[str | None, str]:
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()
    keys = []
    for key in {record.user_id for record in records if record.user_id}:
        # The value may be no key of a user: `acting_as` also takes the name of a script.
        with suppress(ValidationError, ValueError, TypeError):
            keys.append(users._meta.pk.to_python(key))
    return {str(user.pk): user.get_username() for user in users._default_manager.filter(pk__in=keys)}
