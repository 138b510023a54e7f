"""The context of a record for display: as indented JSON, and texts of several lines by themselves."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

MAX_TEXTS = 20
"""At most this many texts are shown by themselves; the JSON has all of them."""


class Text(NamedTuple):
    """A text of several lines, for example a traceback, and its path in the context."""

    path: str
    text: str


def as_json(context: Any) -> str:
    """Return the whole context as indented JSON."""
    try:
        return _printable(json.dumps(context, indent=2, ensure_ascii=False))
    except RecursionError:
        return "This context is nested too deep to be shown."


def texts(context: Any) -> list[Text]:
    """Return the texts of several lines, those of `exception`, which holds tracebacks, first."""
    found = []
    waiting = [("context", context)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((f"{path}.{key}", member) for key, member in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((f"{path}.{index}", each) for index, each in reversed(list(enumerate(value))))
        elif isinstance(value, str) and "\n" in value.strip():
            found.append(Text(_printable(path), _printable(value)))
    return sorted(found, key=lambda text: not text.path.startswith("context.exception"))[:MAX_TEXTS]


def _printable(text: str) -> str:
    """Return the text with each lone surrogate escaped as in JSON, because no page can hold one."""
    return text.encode("utf-8", "backslashreplace").decode()
