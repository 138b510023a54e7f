"""The list of alerts in the admin: the state of each rule, with actions that silence rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from systemlog.alerts.configuration import configuration
from systemlog.alerts.reading import state_shown
from systemlog.alerts.rows import is_silenced
from systemlog.alerts.rules import NewGroup, NoneFor
from systemlog.alerts.silencing import silence
from systemlog.models import VIEW_PERMISSION, Alert

CHANGE_PERMISSION = "systemlog.change_alert"


@admin.register(Alert)
class AlertAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class is not subscriptable
    """Shows the rules to users who may read the log. Users who may change alerts can silence a rule.

    The rules themselves are in the settings, so nothing here adds, changes or deletes one.
    """

    list_display = ("rule", "shown_state", "since", "shown_value", "silence", "silenced_by", "comment", "error")
    list_display_links = None
    ordering = ("rule",)
    search_fields = ("rule",)
    actions = ("silence_for_an_hour", "silence_for_a_day", "end_silence")
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        """Return the rows of the rules that the settings have. A row of a removed rule is not shown."""
        return super().get_queryset(request).filter(rule__in=list(configuration().rules))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, without the sidebar, as the other pages of the log."""
        context = {"title": "Alerts", "is_nav_sidebar_enabled": False, **(extra_context or {})}
        return super().changelist_view(request, context)

    def has_view_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:
        """Return whether the user may read the log, by the same permission as in the API."""
        return request.user.has_perm(VIEW_PERMISSION)

    def has_silence_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may silence rules."""
        return request.user.has_perm(CHANGE_PERMISSION)

    def has_add_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:
        """Return False: the rules are in the settings."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:
        """Return False: only the actions change anything."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:
        """Return False: a rule that leaves the settings leaves this list."""
        return False

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Alert) -> str:
        """Return the state of the rule, or `error` if it could not be evaluated."""
        return state_shown(row)

    @admin.display(description="since", ordering="starts_at")
    def since(self, row: Alert) -> datetime | None:
        """Return the time at which the condition of the rule began to hold."""
        return row.starts_at

    @admin.display(description="value", ordering="value")
    def shown_value(self, row: Alert) -> str | None:
        """Return what was counted, in the terms of the rule: `12, threshold 10`, `none for 60 s` or `2 events`."""
        rule = configuration().rules.get(row.rule)
        if row.value is None or rule is None:
            return None
        match rule.condition:
            case NoneFor():
                return f"none for {row.threshold} s"
            case NewGroup():
                return f"{row.value} event{'' if row.value == 1 else 's'}"
        return f"{row.value}, threshold {row.threshold}"

    @admin.display(description="silenced until", ordering="silenced_until")
    def silence(self, row: Alert) -> datetime | None:
        """Return the end of the silence, or None if the rule is not silenced."""
        return row.silenced_until if is_silenced(row, datetime.now(UTC)) else None

    @admin.action(description="Silence the selected alerts for an hour", permissions=["silence"])
    def silence_for_an_hour(self, request: HttpRequest, rows: QuerySet[Alert]) -> None:
        """Send no notifications of these rules for an hour."""
        self._silence(request, rows, timedelta(hours=1))

    @admin.action(description="Silence the selected alerts for a day", permissions=["silence"])
    def silence_for_a_day(self, request: HttpRequest, rows: QuerySet[Alert]) -> None:
        """Send no notifications of these rules for a day."""
        self._silence(request, rows, timedelta(days=1))

    @admin.action(description="End the silence of the selected alerts", permissions=["silence"])
    def end_silence(self, request: HttpRequest, rows: QuerySet[Alert]) -> None:
        """Send notifications of these rules again."""
        self._silence(request, rows, timedelta(0))

    def _silence(self, request: HttpRequest, rows: QuerySet[Alert], span: timedelta) -> None:
        user: Any = request.user
        names = list(rows.values_list("rule", flat=True))
        for name in names:
            silence(name, span, by=user.get_username())
        done = "silenced" if span else "no longer silenced"
        self.message_user(request, f"{len(names)} alerts are {done}.", messages.SUCCESS)
