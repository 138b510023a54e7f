"""Private APIs of Django's URL resolver and of its admindocs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups, replace_unnamed_groups
from django.http.request import validate_host
from django.urls import URLPattern, URLResolver, get_resolver


def without_groups(pattern: str) -> str:
    r"""Return a regular expression of a `re_path` with names in place of its groups, and without metacharacters.

    `orders/(?P<pk>[^/.]+)/?\Z` becomes `orders/<pk>/`. admindocs documents its pages and not these functions (5.2, 6.0,
    6.1). REST framework uses them for the paths of a schema.
    """
    return replace_metacharacters(replace_unnamed_groups(replace_named_groups(pattern)))


def views_of(urlconf: Any = None) -> Iterator[tuple[str, Any]]:
    """Yield each view of the URLconf, by default of ROOT_URLCONF, with its whole route in Django's notation.

    Django has no documented way to list URL patterns (`get_resolver`, `url_patterns`; 5.2, 6.0, 6.1).
    """
    yield from _views_below(get_resolver(urlconf), "")


def _views_below(resolver: URLResolver, root: str) -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        route = root + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry.callback
        else:
            yield from _views_below(entry, route)


def is_host_in(host: str, patterns: Sequence[str]) -> bool:
    """Return whether the host is among patterns in the syntax of ALLOWED_HOSTS (`validate_host`; 5.2, 6.0, 6.1)."""
    return validate_host(host.lower(), patterns)
