"""URL patterns in a readable form."""

from __future__ import annotations

import functools
import re

from systemlog import compat

_ESCAPED = re.compile(r"\\([^A-Za-z0-9])")


@functools.cache
def readable_route(pattern: str) -> str:
    r"""Return the regular expression of a `re_path` in the notation of `path`.

    `orders/(?P<pk>[^/.]+)/?\Z` becomes `orders/<pk>/`. The pattern of a `path` is returned unchanged. The cache cannot
    outgrow the number of the project's URL patterns.
    """
    return _ESCAPED.sub(r"\1", compat.without_groups(pattern))
