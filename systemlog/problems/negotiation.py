"""What the client asks for: the negotiation class for DRF, and who wants an HTML page in place of a problem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings

from systemlog.conf import conf
from systemlog.problems.problem import MEDIA_TYPE
from systemlog.problems.routes import is_of_an_api

Chosen = tuple[BaseRenderer, str]


class ContentNegotiation(DefaultContentNegotiation):
    """Chooses a renderer by `Accept`, and the view's first one where nothing fits or the header is malformed.

    RFC 9110, section 12.5.1, allows to disregard the header; a 406 would hide the answer, and DRF decides before it
    knows who is asking. `?format=` chooses a renderer that has this format; with any other value it is an ordinary
    query parameter.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Chosen:
        """The renderer, and the media type for its response."""
        candidates = list(renderers)
        if format_suffix:
            candidates = self.filter_renderers(candidates, format_suffix)
        named = request.query_params.get(api_settings.URL_FORMAT_OVERRIDE or "")
        candidates = [renderer for renderer in candidates if named and renderer.format == named] or candidates
        try:
            chosen: Chosen = super().select_renderer(_WithoutQuery(request), candidates)  # type: ignore[arg-type]  # stands for a request
        except (APIException, ValueError, TypeError, LookupError):
            return candidates[0], str(candidates[0].media_type)
        return chosen


class _WithoutQuery:
    """The request as DRF's negotiation may see it."""

    query_params: dict[str, str] = {}

    def __init__(self, request: Request) -> None:
        self.headers: Any = request.headers
        self.META: dict[str, Any] = request.META  # where DRF before 3.18 looks for Accept


def prefers_html(request: HttpRequest) -> bool:
    """Whether the client names HTML, and likes it better than a problem or JSON. `*/*` does not name it."""
    if "text/html" not in request.META.get("HTTP_ACCEPT", "").lower():
        return False
    try:
        return request.get_preferred_type([MEDIA_TYPE, "application/json", "text/html"]) == "text/html"
    except (ValueError, LookupError):
        return False


def gets_html(request: HttpRequest) -> bool:
    """Whether an error is answered with a page of the project: to a client that prefers HTML, where no API answers."""
    if not prefers_html(request):
        return False
    places = conf().PROBLEM_HTML_PATHS
    if not places:
        return not is_of_an_api(request)
    return any(request.path.startswith(prefix) for prefix in _html_paths(places))


def _html_paths(places: Iterable[str]) -> Iterable[str]:
    for place in places:
        if place.startswith("/"):
            yield place
        else:
            try:
                yield reverse(place)
            except NoReverseMatch:
                continue
