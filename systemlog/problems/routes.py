"""Whether a request belongs to an API or to HTML pages."""

from __future__ import annotations

import functools
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from systemlog import compat


def is_of_an_api(request: HttpRequest) -> bool:
    """Return whether the request belongs to REST framework.

    If a view was found, its class decides. Otherwise the first segment of the path decides: `/api/typo` belongs to an
    API if all views below `/api/` are REST framework's.
    """
    match = request.resolver_match
    if match is not None:
        return _is_of_rest_framework(match.func)
    segment = request.path_info.removeprefix("/").partition("/")[0]
    return segment in _segments_of_apis(getattr(request, "urlconf", None) or settings.ROOT_URLCONF)


@functools.lru_cache(maxsize=16)
def _segments_of_apis(urlconf: Any) -> frozenset[str]:
    """Return the first path segments below which all views are REST framework's."""
    segments: dict[bool, set[str]] = {True: set(), False: set()}
    for route, view in compat.views_of(urlconf):
        segment, slash, _ = route.removeprefix("^").partition("/")
        if segment.isascii() and segment.replace("-", "").replace("_", "").isalnum() and slash:
            segments[_is_of_rest_framework(view)].add(segment)
    return frozenset(segments[True] - segments[False])


def _is_of_rest_framework(view: Any) -> bool:
    from rest_framework.views import APIView  # not at the top: REST framework imports this package before its views

    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    return isinstance(kind, type) and issubclass(kind, APIView)
