"""URL patterns in a readable form."""

from __future__ import annotations

import functools
import re

from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups, replace_unnamed_groups

_ESCAPED = re.compile(r"\\([^A-Za-z0-9])")


@functools.cache
def readable_route(pattern: str) -> str:
    r"""Return the regular expression of a `re_path` in the notation of `path`.

    `orders/(?P<pk>[^/.]+)/?\Z` becomes `orders/<pk>/`. The pattern of a `path` is returned unchanged. Uses functions of
    Django's admindocs, as REST framework does for the paths of a schema. The cache cannot outgrow the number of the
    project's URL patterns.
    """
    simplified = replace_metacharacters(replace_unnamed_groups(replace_named_groups(pattern)))
    return _ESCAPED.sub(r"\1", simplified)
