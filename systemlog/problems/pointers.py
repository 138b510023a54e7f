"""From DRF's nested error details to a flat list with JSON Pointers (RFC 6901) to the places in the body.

Linear in the number of errors, and without recursion. A list's index is where the item stands in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from rest_framework.settings import api_settings

Path = tuple[object, ...]
"""Keys and indexes, from the root of the body down."""

SAFE_IN_FRAGMENT = "!$&'()*+,;=:@?"
"""What RFC 3986 lets stand in a fragment besides letters, digits and `-._~`; the slash is the separator here."""


LONGEST_CHARS = 2000

SHORT_KEY_CHARS = 64
"""Longer keys are not kept for next time: they are not the names of fields, but whatever a client made up."""

SEQUENCES = (list, tuple)
NESTED = (dict, list, tuple)


class Place(NamedTuple):
    """One message, and the path to what it is about."""

    path: Path
    detail: Any


def json_pointer(path: Iterable[object]) -> str:
    """The path as a URI fragment: `#` is the body itself, `#/items/0/price` a member deep in it.

    A pointer that would become longer than `LONGEST_CHARS` ends at the container before: keys that a client made up
    would come back once for every error below them.
    """
    pointer = "#"
    for key in path:
        size = len(key) if isinstance(key, str) else 0
        if len(pointer) + size > LONGEST_CHARS:
            break
        pointer += _known_token(key) if size <= SHORT_KEY_CHARS else _token(key)
    return pointer


def flatten(detail: object) -> Iterator[Place]:
    """Every message in a nested detail, in reading order; one without a field stands for its container."""
    containers = ("__all__", api_settings.NON_FIELD_ERRORS_KEY)
    todo: list[tuple[Path, Any]] = [((), detail)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, dict):
            for key in reversed(node):
                todo.append((path if key in containers else (*path, key), node[key]))
        elif isinstance(node, SEQUENCES):
            for index in range(len(node) - 1, -1, -1):
                item = node[index]
                todo.append(((*path, index) if isinstance(item, NESTED) else path, item))
        else:
            yield Place(path, node)


def count(detail: object) -> int:
    """How many messages there are in a nested detail."""
    total, nodes = 0, [detail]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            nodes.extend(node.values())
        elif isinstance(node, SEQUENCES):
            nodes.extend(node)
        else:
            total += 1
    return total


def _token(key: object) -> str:
    token = str(key).replace("~", "~0").replace("/", "~1")
    return "/" + quote(token, SAFE_IN_FRAGMENT, errors="replace")


_known_token = lru_cache(maxsize=4096)(_token)
