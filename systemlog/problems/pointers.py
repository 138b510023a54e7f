"""From DRF's nested error details to a flat list with JSON Pointers (RFC 6901) to the places in the body.

Linear in the number of errors, and without recursion. A list's index is where the item stands in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote

from rest_framework.settings import api_settings

Path = tuple[object, ...]
"""Keys and indexes, from the root of the body down."""

SAFE_IN_FRAGMENT = "!$&'()*+,;=:@?"
"""What RFC 3986 lets stand in a fragment besides letters, digits and `-._~`; the slash is the separator here."""


class Place(NamedTuple):
    """One message, and the path to what it is about."""

    path: Path
    detail: Any


def json_pointer(path: Iterable[object]) -> str:
    """The path as a URI fragment: `#` is the body itself, `#/items/0/price` a member deep in it."""
    tokens = (str(key).replace("~", "~0").replace("/", "~1") for key in path)
    return "#" + "".join("/" + quote(token, SAFE_IN_FRAGMENT, errors="replace") for token in tokens)


def flatten(detail: object) -> Iterator[Place]:
    """Every message in a nested detail, in reading order; one without a field stands for its container."""
    containers = ("__all__", api_settings.NON_FIELD_ERRORS_KEY)
    stack: list[tuple[Path, Any]] = [((), detail)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict):
            stack.extend((path if key in containers else (*path, key), value) for key, value in reversed(node.items()))
        elif isinstance(node, list | tuple):
            stack.extend(
                ((*path, index) if isinstance(item, dict | list | tuple) else path, item)
                for index, item in zip(range(len(node) - 1, -1, -1), reversed(node), strict=True)
            )
        else:
            yield Place(path, node)


def take(places: Iterator[Place], limit: int, make: Callable[[Place], Any]) -> tuple[list[Any], int]:
    """The first `limit` places, made into entries, and how many there are beyond them."""
    return [make(place) for place in islice(places, limit)], sum(1 for _ in places)
