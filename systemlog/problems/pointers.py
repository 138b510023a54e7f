"""Flattens REST framework's nested error details, and makes a JSON Pointer (RFC 6901) to the place of each error.

Both take time linear in the number of errors and do not recurse. An item of a list keeps its index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from rest_framework.settings import api_settings

Path = tuple[object, ...]
"""The keys and indexes that lead from the root of the body to a value."""

SAFE_IN_FRAGMENT = "!$&'()*+,;=:@?"
"""The characters that RFC 3986 allows in a fragment besides letters, digits, `-._~` and the slash, our separator."""

MAX_POINTER_CHARS = 2000

MAX_CACHED_KEY_CHARS = 64
"""Longer keys are not cached: a client made them up, and they would fill the memory."""

SEQUENCES = (list, tuple)
NESTED = (dict, list, tuple)


class Place(NamedTuple):
    """One message, and the path to the value that it is about."""

    path: Path
    detail: Any


def json_pointer(path: Iterable[object]) -> str:
    """Return the path as a URI fragment: `#` is the whole body, `#/items/0/price` a member of an item.

    A pointer that would be longer than `MAX_POINTER_CHARS` ends at an outer container. Otherwise a client could make up
    a long key that the response repeats for every error below it.
    """
    pointer = "#"
    for key in path:
        size = len(key) if isinstance(key, str) else 0
        if len(pointer) + size > MAX_POINTER_CHARS:
            break
        pointer += _cached_token(key) if size <= MAX_CACHED_KEY_CHARS else _token(key)
    return pointer


def flatten(detail: object) -> Iterator[Place]:
    """Yield every message of a nested detail, in reading order. A non-field error has the path of its container."""
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
    """Return the number of messages in a nested detail."""
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


_cached_token = lru_cache(maxsize=4096)(_token)
