"""The pattern of a URL, as a person would write it."""

from __future__ import annotations

import functools
import re

from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups, replace_unnamed_groups

_ESCAPED = re.compile(r"\\([^A-Za-z0-9])")


@functools.cache
def readable_route(pattern: str) -> str:
    r"""Rewrite the regular expression of a `re_path` the way a `path` is written.

    `orders/(?P<pk>[^/.]+)/?\Z` becomes `orders/<pk>/`; what `path` takes stays as it is. The helpers are those of
    Django's admindocs, by which DRF names the paths of a schema. The cache is bounded by the project's URL patterns.
    """
    simplified = replace_metacharacters(replace_unnamed_groups(replace_named_groups(pattern)))
    return _ESCAPED.sub(r"\1", simplified)
