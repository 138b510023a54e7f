"""Content negotiation: the class for REST framework, and the rule by which a client gets an HTML error page."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
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
    """Chooses a renderer by `Accept`, or the view's first renderer if none fits or the header is malformed.

    RFC 9110, section 12.5.1, allows a server to disregard the header. A 406 would replace the response that the client
    needs, and DRF negotiates before it authenticates. `?format=` chooses the renderer of that format; any other value
    is left to the view as an ordinary query parameter.
    """

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)
    """Keeps DRF's own `select_renderer` from reading `?format=`, which it would answer with a 404."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Chosen:
        """Return the renderer and the media type of the response."""
        candidates = list(renderers)
        if format_suffix:
            candidates = self.filter_renderers(candidates, format_suffix)
        named = request.query_params.get(api_settings.URL_FORMAT_OVERRIDE or "")
        candidates = [renderer for renderer in candidates if named and renderer.format == named] or candidates
        try:
            chosen: Chosen = super().select_renderer(request, candidates)
        except (APIException, ValueError, TypeError, LookupError):
            return candidates[0], str(candidates[0].media_type)
        return chosen


def prefers_html(request: HttpRequest) -> bool:
    """Return whether `Accept` names HTML and prefers it to problems and JSON. `*/*` does not name HTML."""
    if "text/html" not in request.META.get("HTTP_ACCEPT", "").lower():
        return False
    try:
        return request.get_preferred_type([MEDIA_TYPE, "application/json", "text/html"]) == "text/html"
    except (ValueError, LookupError):
        return False


def gets_html(request: HttpRequest) -> bool:
    """Return whether an error is answered with an HTML page: if the client prefers HTML, and the path is not an API's.

    `PROBLEM_HTML_PATHS` names the paths that have HTML pages; without it, `is_of_an_api` decides.
    """
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
