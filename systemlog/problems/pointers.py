"""From DRF's nested error details to a flat list with JSON Pointers (RFC 6901) to the places in the body.

Linear in the number of errors, and without recursion. A list's index is where the item stands in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    open_nodes = [iter([Place((), detail)])]
    while open_nodes:
        for place in open_nodes[-1]:
            if isinstance(place.detail, dict | list | tuple):
                open_nodes.append(_inside(place, containers))
                break
            yield place
        else:
            open_nodes.pop()


def count(detail: object) -> int:
    """How many messages there are in a nested detail."""
    total, nodes = 0, [detail]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            nodes.extend(node.values())
        elif isinstance(node, list | tuple):
            nodes.extend(node)
        else:
            total += 1
    return total


def _inside(place: Place, containers: tuple[str, str]) -> Iterator[Place]:
    path, node = place
    if isinstance(node, dict):
        for key, value in node.items():
            yield Place(path if key in containers else (*path, key), value)
    else:
        for index, item in enumerate(node):
            yield Place((*path, index) if isinstance(item, dict | list | tuple) else path, item)
