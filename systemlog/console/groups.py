"""The pages of the error groups in the admin: the list, and one group with its newest record.

Both take the parameters of the API: `?state=open&category=shop` means the same here and there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.text import capfirst

from systemlog.console import contexts
from systemlog.console.frames import Frame, read_traceback
from systemlog.console.policy import protect
from systemlog.correlation import get_correlation_id
from systemlog.fingerprints.records import OTHER, places_in
from systemlog.groups import activity, folding, listing, states
from systemlog.models import CHANGE_GROUP_PERMISSION, VIEW_PERMISSION, Group, SystemLog
from systemlog.models.groups import State
from systemlog.search.pages import Page, find_page
from systemlog.search.parsing.query import Query
from systemlog.search.parsing.rules import read_time
from systemlog.search.plan import make_plan
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.group_counts import MAX_USERS
from systemlog.templatetags.console_text import visible

PAGE_GROUPS = 50
SHOWN_RECORDS = 20
SHOWN_USERS = 10
USERS_BUDGET_S = 0.25
MAX_SELECTED = 1000
BAR = 5
"""The width of one bar of a sparkline. A sparkline is 20 high."""

ACTIONS = {"resolve": State.RESOLVED, "ignore": State.IGNORED, "reopen": State.OPEN}
logger = logging.getLogger(__name__)


class Bar(NamedTuple):
    """A bar of a sparkline, in the coordinates of the SVG. It stands for the records of one hour."""

    x: int
    y: int
    height: int
    number: int


class Shown(NamedTuple):
    """A group in the list, with its sparkline and the name of the user it is assigned to."""

    group: Group
    bars: list[Bar]
    assigned_to: str | None


@admin.register(Group)
class GroupAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class is not subscriptable
    """Shows error groups to users with `systemlog.view_systemlog`. Changes need `systemlog.change_group` too."""

    list_template = "admin/systemlog/group/list.html"
    group_template = "admin/systemlog/group/group.html"
    unavailable_template = "admin/systemlog/systemlog/unavailable.html"

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may read the log."""
        return request.user.has_perm(VIEW_PERMISSION)

    def has_view_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Return whether the user may read the log, by the same permission as in the API."""
        return request.user.has_perm(VIEW_PERMISSION)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Return whether the user may change groups."""
        return request.user.has_perm(VIEW_PERMISSION) and request.user.has_perm(CHANGE_GROUP_PERMISSION)

    def has_add_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Return False: only errors create groups."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Return False: a group is kept even when all its records are deleted."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of groups. A POST changes the selected groups."""
        self._check_access(request)
        if request.method == "POST":
            return self._change_selected(request)
        parameters = request.GET
        state = parameters.get("state", "")
        since = read_time(parameters.get("since", ""), timezone.now()) if parameters.get("since") else None
        filters = listing.Filters(
            states=(state,) if state in State.values else (),
            categories=(parameters["category"],) if parameters.get("category") else (),
            since=since,
            terms=tuple(parameters.get("q", "").replace("\0", " ").split()[:20]),
        )
        try:
            folding.catch_up()
            try:
                groups, after = listing.page(filters, PAGE_GROUPS, parameters.get("cursor"))
            except listing.BadCursor:
                groups, after = listing.page(filters, PAGE_GROUPS)
            shown = _shown(groups)
        except (OperationalError, InterfaceError) as error:
            return self._unavailable(request, error)
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "groups": shown,
            "sparkline_width": BAR * activity.HOURS,
            "states": [
                (value, label, _link(parameters, state=value or None), value == state)
                for value, label in (("", "All"), *State.choices)
            ],
            "terms": parameters.get("q", ""),
            "state": state,
            "category": parameters.get("category", ""),
            "without_category": _link(parameters, category=None),
            "older": after and _link(parameters, cursor=after),
            "newest": _link(parameters) if parameters.get("cursor") else None,
            "may_change": self.has_change_permission(request),
            "max_users": MAX_USERS,
            **(extra_context or {}),
        }
        return self._render(request, self.list_template, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one group. A POST changes the group."""
        self._check_access(request)
        if request.method == "POST":
            return self._change_one(request, object_id)
        try:
            folding.catch_up()
            group = states.find(object_id)
            if group is None:
                # Django redirects to the admin's index, with a message.
                return super().change_view(request, object_id, form_url, extra_context)
            context = _group_context(group)
        except (OperationalError, InterfaceError) as error:
            return self._unavailable(request, error)
        log = self._log_url()
        context = {
            "title": visible(group.title),
            "group": group,
            "state_label": State(group.state).label,
            "log": log,
            "records": f"{log}?group={group.id}" if log else None,
            "history": f"{log}?subject={states.subject_of(group.id)}" if log else None,
            "may_change": self.has_change_permission(request),
            "max_users": MAX_USERS,
            "sparkline_width": BAR * activity.HOURS,
            **context,
            **(extra_context or {}),
        }
        return self._render(request, self.group_template, context)

    def _change_selected(self, request: HttpRequest) -> HttpResponse:
        action = request.POST.get("action", "")
        chosen = request.POST.getlist("group")[:MAX_SELECTED]
        if not self.has_change_permission(request):
            raise PermissionDenied
        if action in ACTIONS:
            wanted = states.Change(state=ACTIONS[action])
            changed = sum(states.change(group_id, wanted, request.user) is not None for group_id in chosen)
            self.message_user(request, f"{changed} error group{'' if changed == 1 else 's'}: {ACTIONS[action].label}.")
        return HttpResponseRedirect(request.get_full_path())

    def _change_one(self, request: HttpRequest, group_id: str) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        given = request.POST
        wanted = states.Change()
        if given.get("action") in ACTIONS:
            release = given.get("resolved_in", "").replace("\0", "").strip()[:200] or None
            state = ACTIONS[given["action"]]
            wanted = states.Change(state=state, resolved_in=release if state == State.RESOLVED else None)
        elif given.get("action") == "assign":
            name = given.get("assigned_to", "").replace("\0", "").strip()
            user = states.user_called(name) if name else None
            if name and user is None:
                self.message_user(request, f"There is no active user {name!r}.", messages.ERROR)
                return HttpResponseRedirect(request.get_full_path())
            wanted = states.Change(assigns=True, assigned_to=str(user.pk) if user else None)
        if states.change(group_id, wanted, request.user) is not None:
            self.message_user(request, "The error group was changed.")
        return HttpResponseRedirect(request.get_full_path())

    def _check_access(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD", "POST"):
            raise PermissionDenied

    def _log_url(self) -> str | None:
        try:
            return reverse("admin:systemlog_systemlog_changelist", current_app=self.admin_site.name)
        except NoReverseMatch:  # the site does not show the log
            return None

    def _render(self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        request.current_app = self.admin_site.name  # the namespace in which {% url %} resolves names
        site = {**self.admin_site.each_context(request), "is_nav_sidebar_enabled": False}
        context = {**site, "opts": self.opts, **context}
        return protect(TemplateResponse(request, template, context, status=status))

    def _unavailable(self, request: HttpRequest, error: Exception) -> HttpResponse:
        logger.error("The admin could not read the log store.", exc_info=error, extra={"action": "admin_read_failed"})
        context = {"title": "The log cannot be read", "correlation_id": get_correlation_id()}
        return self._render(request, self.unavailable_template, context, status=503)


def _shown(groups: Sequence[Group]) -> list[Shown]:
    counted = activity.last_day([group.id for group in groups])
    names = states.names_of_users({group.assigned_to for group in groups if group.assigned_to})
    return [Shown(group, _bars(counted.get(group.id, [])), names.get(group.assigned_to or "")) for group in groups]


def _group_context(group: Group) -> dict[str, Any]:
    page: Page = find_page(make_plan(Query(group=group.id)), limit=SHOWN_RECORDS)
    newest: SystemLog | None = page.items[0] if page.items else None
    context = newest.context if newest is not None and isinstance(newest.context, dict) else {}
    names = states.names_of_users({group.assigned_to} if group.assigned_to else set())
    exception = context.get("exception")
    frames = read_traceback(exception) if isinstance(exception, str) else []
    return {
        "page": page,
        "newest": newest,
        "places": places_in(newest.message, context) if newest is not None else (),
        "frames": frames if any(isinstance(each, Frame) for each in frames) else [],
        "texts": contexts.texts(context),
        "bars": _bars(activity.last_day([group.id]).get(group.id, [])),
        "users": _users(group),
        "assigned_to": names.get(group.assigned_to or "", ""),
    }


def _users(group: Group) -> list[tuple[str, int]]:
    """Return the users who had the error most often, with counts. Returns none if counting takes too long."""
    storage = get_storage()
    if group.id.startswith(OTHER):
        return []
    records = SystemLog.objects.using(storage.connection.alias).filter(group=group.id, user_id__isnull=False)
    counted = records.order_by().values_list("user_id").annotate(number=Count("*")).order_by("-number", "user_id")
    found: list[tuple[str, int]] = []
    with suppress(BudgetSpent), storage.budget() as allow:
        allow(USERS_BUDGET_S)
        found = [(user or "", number) for user, number in counted[:SHOWN_USERS]]
    return found


def _bars(numbers: Sequence[int]) -> list[Bar]:
    most = max(numbers, default=0)
    heights = [max(1, round(20 * number / most)) if number else 0 for number in numbers]
    return [
        Bar(place * BAR, 20 - height, height, number)
        for place, (height, number) in enumerate(zip(heights, numbers, strict=True))
    ]


def _link(query: QueryDict, **changes: str | None) -> str:
    """Return the link to the list with some parameters changed. A parameter with the value None is removed."""
    changed = query.copy()
    for name, value in {"cursor": None, **changes}.items():
        changed.pop(name, None)
        if value is not None:
            changed[name] = value
    return f"?{changed.urlencode()}"
