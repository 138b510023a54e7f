"""The two pages of the log in the admin: the list of records, and one record with all its fields.

The list replaces Django's change list, which counts the whole table, numbers pages and skips rows by OFFSET. This list
takes the parameters of the API. It reads pages with `systemlog.search`, newest first and within its time limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.text import capfirst

from systemlog.console import contexts, filter_links
from systemlog.console.explorer import OWN_PARAMETERS, make_explorer
from systemlog.console.frames import read_traceback
from systemlog.console.pages import ConsolePages, log_outage
from systemlog.console.tree import as_tree
from systemlog.correlation import get_correlation_id
from systemlog.models import VIEW_PERMISSION, SystemLog
from systemlog.problems import InvalidParameters
from systemlog.records.fields import READ_FIELDS
from systemlog.records.ids import parse_id
from systemlog.search.catch_up import catch_up
from systemlog.search.neighbors import find_neighbors
from systemlog.search.one_record import find_record
from systemlog.search.pages import find_page
from systemlog.search.paging import Paging
from systemlog.search.parsing.cursors import BadCursor
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import make_plan
from systemlog.search.rows import INSTANCES, represent

OTHER_PARAMETERS = {"cursor", "since", "until", *OWN_PARAMETERS}
"""Parameters of the list that are not filters."""

BEGINNING_CHARACTERS = 300
"""The list reads and shows only the beginning of a message, because message and context may have 64 KiB each."""

AROUND = timedelta(minutes=1)
"""The page of a record links to all records within this time before and after the record."""

AROUND_RECORDS = 10
"""The page of a record shows this many neighbors before and after the record."""

MAX_NEIGHBORS = 100
NEIGHBOR_FIELDS = ("id", "timestamp", "level", "category", "message")


@admin.register(SystemLog)
class SystemLogAdmin(ConsolePages, admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class is not subscriptable
    """Shows records to users with the permission `systemlog.view_systemlog`. Nobody adds, changes or deletes one."""

    actions = None
    list_per_page = 100
    list_template = "admin/systemlog/systemlog/list.html"
    record_template = "admin/systemlog/systemlog/record.html"

    def has_view_permission(self, request: HttpRequest, obj: SystemLog | None = None) -> bool:
        """Return whether the user may read the log, by the same permission as in the API."""
        return request.user.has_perm(VIEW_PERMISSION)

    def has_add_permission(self, request: HttpRequest, obj: SystemLog | None = None) -> bool:
        """Return False: records are logged by programs or sent to the API."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: SystemLog | None = None) -> bool:
        """Return False: a record is never changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SystemLog | None = None) -> bool:
        """Return False: only retention deletes records."""
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> SystemLog | None:
        """Return the record with this id. If several have the id, return the newest."""
        record_id = parse_id(object_id)
        return find_record(record_id) if record_id else None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of the records that match the parameters. For invalid parameters, show only their errors."""
        self.check_access(request)
        parameters = filter_links.without_empty(request.GET)
        try:
            if story := self.story_of_pasted(request, parameters.get("query", "")):
                return HttpResponseRedirect(story)
            found = self._find(parameters)
        except InvalidParameters as error:
            found = {"errors": error.errors}
        except (OperationalError, InterfaceError) as error:
            log_outage(error)
            found = {"unavailable": True, "correlation_id": get_correlation_id()}
        filters = filter_links.known_parameters(parameters)
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "terms": filters.get("q", ""),
            "menus": filter_links.menus(filters),
            "fields": filter_links.fields(filters),
            "hidden_fields": filter_links.hidden_fields(filters),
            "active_filters": filter_links.active_filters(filters),
            "preserved_filters": self.get_preserved_filters(request),
            "explorer": make_explorer(self.admin_site.name, request.GET),
            **found,
            **(extra_context or {}),
        }
        return self.render(request, self.list_template, context, status=503 if "unavailable" in found else 200)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one record as text and links, without a form."""
        self.check_access(request)
        try:
            record = self.get_object(request, unquote(object_id))
        except (OperationalError, InterfaceError) as error:
            return self.unavailable(request, error)
        if record is None:
            # Django redirects to the admin's index, with a message.
            return super().change_view(request, object_id, form_url, extra_context)
        here = reverse("admin:systemlog_systemlog_changelist", current_app=self.admin_site.name)
        around = QueryDict(mutable=True)
        around["since"] = (record.timestamp - AROUND).isoformat()
        around["until"] = (record.timestamp + AROUND).isoformat()
        trace = record.context.get("exception") if isinstance(record.context, dict) else None
        story = record.correlation_id and self.url_of(request, "story")
        if story:
            story += f"?{urlencode({'correlation_id': record.correlation_id})}#r-{record.pk}"
        context = {
            "title": f"{record.level} of {record.category}",
            "record": record,
            "group": self._group_url(record),
            "related": filter_links.related(record, here),
            "around": f"{here}?{around.urlencode()}",
            "around_records": AROUND_RECORDS,
            "only_level": filter_links.only("level", record.level, here),
            "not_level": filter_links.without("level", record.level, here),
            "story": story,
            "frames": read_traceback(trace) if isinstance(trace, str) else [],
            "tree": as_tree(record.context, here) if record.context and isinstance(record.context, dict | list) else "",
            "whole_json": contexts.as_json(represent(record)),
            **self._surroundings(request, record),
            "texts": contexts.texts(record.context),
            "json": contexts.as_json(record.context),
            "back": f"{here}?{request.GET.get('_changelist_filters', '')}",
            **(extra_context or {}),
        }
        return self.render(request, self.record_template, context)

    def _surroundings(self, request: HttpRequest, record: SystemLog) -> dict[str, Any]:
        """Return the record with its neighbors of the same source; the parameter `around` has their number."""
        try:
            number = min(int(request.GET.get("around", "")), MAX_NEIGHBORS)
        except ValueError:
            number = 0
        if number < 1:
            return {}
        found = find_neighbors(record, before=number, after=number, same_source=True)
        rows = [_neighbor(row) for row in (*found.newer, *found.older)]
        rows.insert(len(found.newer), {name: getattr(record, name) for name in NEIGHBOR_FIELDS})
        return {"neighbors": rows, "neighbors_complete": found.complete}

    def _group_url(self, record: SystemLog) -> str | None:
        """Return the URL of the record's error group, or None if there is no group or the site does not show groups."""
        if record.group is None:
            return None
        try:
            return reverse("admin:systemlog_group_change", args=[record.group], current_app=self.admin_site.name)
        except NoReverseMatch:
            return None

    def _find(self, parameters: QueryDict) -> dict[str, Any]:
        """Return a page of records and the links to further pages, for the template. Raises `InvalidParameters`."""
        query = read_query(parameters, known=OTHER_PARAMETERS, now=timezone.now())
        paging = _read_paging(parameters)
        query = paging.resolve(query)
        cursor = paging.cursor
        catch_up(query)
        page = find_page(
            make_plan(query, BEGINNINGS),
            limit=self.list_per_page,
            after=cursor.after if cursor else None,
            backwards=paging.backwards,
            first_slice=cursor.slice if cursor else None,
        )
        older, newer = (
            text and filter_links.link(parameters, cursor=text) for text in paging.older_and_newer(page, query)
        )
        return {
            "page": page,
            "backwards": paging.backwards,
            "older": older,
            "newer": newer,
            "go_on": None if page.complete else newer if paging.backwards else older,
            "newest": filter_links.link(parameters, cursor=None) if cursor else None,
        }


def _neighbor(row: Sequence[str]) -> dict[str, Any]:
    fields = dict(zip(READ_FIELDS, row, strict=True))
    return {name: fields[name] for name in NEIGHBOR_FIELDS} | {"timestamp": datetime.fromisoformat(fields["timestamp"])}


def _read_paging(parameters: QueryDict) -> Paging:
    try:
        return Paging(parameters)
    except BadCursor:
        raise InvalidParameters(
            {"cursor": "The cursor was changed, or belongs to another search. Start at the newest record."}
        ) from None


def _beginnings() -> QuerySet[SystemLog, Any]:
    """Return all records with only the beginning of the message, and without the context."""
    # One character more than is shown, so that the template can see whether the message was cut.
    beginning = Left("message", BEGINNING_CHARACTERS + 1)
    return INSTANCES.records().defer("message", "context").annotate(beginning=beginning)


BEGINNINGS = replace(INSTANCES, records=_beginnings)
