"""The pages of the console other than the list and the record: the story of a request, and operations.

The mixin also has what all pages of the log share: the check of permissions, the Content-Security-Policy and the page
for a database that is down.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from systemlog.console.operations import builtin  # noqa: F401  (importing registers the parts)
from systemlog.console.operations.registry import registered, show
from systemlog.console.pasted import Story, find_story
from systemlog.console.policy import protect
from systemlog.console.story.page import NAMES, make_page, read_asked
from systemlog.correlation import get_correlation_id
from systemlog.models import VIEW_PERMISSION
from systemlog.problems import InvalidParameters
from systemlog.search.catch_up import land_waiting_changes
from systemlog.storage import BudgetSpent

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object

FIRST_ERROR = "#first-error"
OPEN_STORY = "Open the story of a request"

logger = logging.getLogger(__name__)


class ConsolePages(Base):
    """A mixin for `SystemLogAdmin`."""

    operations_template = "admin/systemlog/console/operations.html"
    story_template = "admin/systemlog/console/story.html"
    unavailable_template = "admin/systemlog/systemlog/unavailable.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of these pages, then those of the admin.

        The order matters: the admin's pattern for an object takes every path as an id.
        """
        own = [
            path(f"{where}/", self.admin_site.admin_view(view), name=f"systemlog_systemlog_{name}")
            for where, name, view in (
                ("story", "story", self.story_view),
                ("operations", "operations", self.operations_view),
                ("story/link", "story_link", self.story_link_view),
            )
        ]
        return [*own, *super().get_urls()]

    def story_view(self, request: HttpRequest) -> HttpResponse:
        """Show all records of a correlation id or a trace, oldest first, as a timeline."""
        self.check_access(request, methods=("GET", "HEAD", "POST"))
        status = 200
        found: dict[str, Any] = {"title": OPEN_STORY, "page_name": "story"}
        try:
            # The whole body of a problem may be too long for a URL, so the form posts it.
            if (text := (request.POST or request.GET).get("text")) is not None:
                return self._open_pasted(request, text)
            if asked := read_asked(request.GET):
                land_waiting_changes()
                found = {**found, "title": f"{NAMES[asked.by]} {asked.value}", "asked": asked}
                found |= make_page(asked, request.user)
        except InvalidParameters as error:
            found, status = {**found, "mistakes": error.errors}, 400
        except BudgetSpent:
            found, status = {**found, "too_slow": True}, 503
        except (OperationalError, InterfaceError) as error:
            return self.unavailable(request, error)
        return self.render(request, self.story_template, found, status)

    def operations_view(self, request: HttpRequest) -> HttpResponse:
        """Show the operations page: the reports of all registered parts."""
        self.check_access(request)
        context = {"title": "Operations", "page_name": "operations", "parts": show(registered(), request.user)}
        return self.render(request, self.operations_template, context)

    def story_of_pasted(self, request: HttpRequest, text: str) -> str | None:
        """Return the URL of the story of a pasted id or problem body, or None if the text is a search."""
        story = find_story(text, only_certain=True)
        return self._story_url(request, story) if story else None

    def url_of(self, request: HttpRequest, page: str, *args: Any) -> str:
        """Return the URL of a page of the log on this admin site."""
        return reverse(f"admin:systemlog_systemlog_{page}", args=args, current_app=self.admin_site.name)

    def check_access(self, request: HttpRequest, *, methods: Sequence[str] = ("GET", "HEAD")) -> None:
        """Raise `PermissionDenied` if the user may not read the log or the request's method is not one of `methods`."""
        if not request.user.has_perm(VIEW_PERMISSION) or request.method not in methods:
            raise PermissionDenied

    def render(self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        """Return a page with the Content-Security-Policy of the console."""
        request.current_app = self.admin_site.name  # the namespace in which {% url %} resolves names
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "is_nav_sidebar_enabled": False,
            **context,
        }
        response = protect(TemplateResponse(request, template, context, status=status))
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def unavailable(self, request: HttpRequest, error: Exception) -> HttpResponse:
        """Log that the database does not answer, and return a page that says so."""
        log_outage(error)
        context = {"title": "The log cannot be read", "correlation_id": get_correlation_id()}
        return self.render(request, self.unavailable_template, context, status=503)

    def story_link_view(self, request: HttpRequest) -> HttpResponse:
        """Return the story of a pasted text as JSON for the explorer's script, or `{}` if there is none."""
        self.check_access(request)
        try:
            story = find_story(request.GET.get("text", ""))
        except (OperationalError, InterfaceError):
            return JsonResponse({}, status=503)
        body = {} if story is None else {**story._asdict(), "url": self._story_url(request, story)}
        return JsonResponse(body, headers={"Cache-Control": "private, no-store"})

    def _story_url(self, request: HttpRequest, story: Story) -> str:
        return f"{self.url_of(request, 'story')}?{story.query}{FIRST_ERROR}"

    def _open_pasted(self, request: HttpRequest, text: str) -> HttpResponse:
        story = find_story(text)
        if story is not None:
            return HttpResponseRedirect(self._story_url(request, story))
        found = {"title": OPEN_STORY, "page_name": "story", "pasted": text, "nothing_found": bool(text.strip())}
        return self.render(request, self.story_template, found)


def log_outage(error: Exception) -> None:
    """Log that the database does not answer, with the error."""
    logger.error("The admin could not read the log store.", exc_info=error, extra={"action": "admin_read_failed"})
